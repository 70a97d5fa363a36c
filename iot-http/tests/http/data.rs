//! Readings by time, against a plain list of them.

use hyper::Method;
use iot_core::domain::{Quality, Value};
use serde_json::{Value as Json, json};

use crate::kit::{Asked, Site};

const T0: i64 = 1_700_000_000_000;

/// A reading every 7 s, and what they are.
async fn filled(site: &Site, count: i64) -> Vec<(i64, f64)> {
    let plain: Vec<(i64, f64)> =
        (0..count).map(|n| (T0 + n * 7_000, (n * n % 101) as f64 / 4.0)).collect();
    for some in plain.chunks(1_000) {
        let some = some.iter().map(|(ms, v)| (*ms, Some(Value::from(*v)), Quality::Good)).collect();
        site.put_all("attic.t", some).await;
    }
    plain
}

fn numbers(column: &Json) -> Vec<f64> {
    column.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn few_readings_are_given_as_they_are() {
    let site = Site::start().await;
    let plain = filled(&site, 50).await;
    let (from, to) = (plain[10].0, plain[40].0);
    for points in [30, 1_000] {
        let path = format!("/api/v1/sensors/attic.t/data?from={from}&to={to}&points={points}");
        let answer = site.get(&path).await.ok(200);
        assert_eq!(answer["kind"], "raw", "points={points}");
        assert_eq!(numbers(&answer["t"]).len(), 30);
        assert_eq!(answer["t"][0], from);
        assert_eq!(numbers(&answer["v"]), plain[10..40].iter().map(|p| p.1).collect::<Vec<_>>());
        assert!(answer.get("quality").is_none());
    }
    let path = format!("/api/v1/sensors/attic.t/data?from={from}&to={to}&points=29");
    assert_eq!(site.get(&path).await.ok(200)["kind"], "buckets");
    let empty = site.get("/api/v1/sensors/attic.t/data?from=1&to=2").await.ok(200);
    assert_eq!(empty["t"], json!([]));
    let rfc = "from=2023-11-14T22:13:20Z&to=2023-11-15T00:00:00%2B01:00";
    let answer = site.get(&format!("/api/v1/sensors/attic.t/data?{rfc}")).await.ok(200);
    assert_eq!(answer["t"][0], T0);
    site.running.stop().await;
}

#[tokio::test]
async fn buckets_hold_exactly_what_the_range_holds() {
    let site = Site::start().await;
    let plain = filled(&site, 5_000).await;
    let (from, to) = (T0 + 123_456, T0 + 30_000_001);
    let inside: Vec<_> = plain.iter().filter(|(t, _)| (from..to).contains(t)).collect();
    for (points, width) in [(1_000, 30_000), (600, 60_000), (300, 120_000), (10, 3_600_000)] {
        let path = format!("/api/v1/sensors/attic.t/data?from={from}&to={to}&points={points}");
        let answer = site.get(&path).await.ok(200);
        assert_eq!((&answer["kind"], &answer["width_ms"]), (&json!("buckets"), &json!(width)));
        let t = numbers(&answer["t"]);
        assert!(t.len() <= points && t.iter().all(|t| *t as i64 % width == 0));
        let (avg, count) = (numbers(&answer["avg"]), numbers(&answer["count"]));
        assert_eq!(count.iter().sum::<f64>(), inside.len() as f64);
        let sum: f64 = avg.iter().zip(&count).map(|(a, n)| a * n).sum();
        let exact: f64 = inside.iter().map(|(_, v)| v).sum();
        assert!((sum - exact).abs() < 1e-6, "{sum} {exact}");
        for (n, start) in t.iter().enumerate() {
            let start = *start as i64;
            let own = inside.iter().filter(|(at, _)| (start..start + width).contains(at));
            let max = own.map(|(_, v)| *v).fold(f64::MIN, f64::max);
            assert_eq!(numbers(&answer["max"])[n], max);
        }
    }
    site.running.stop().await;
}

#[tokio::test]
async fn days_of_a_zone_are_its_own() {
    let site = Site::start().await;
    let start = 1_711_753_200_000_i64; // 2024-03-30T00:00 in Berlin; the next day has 23 hours
    let hours = (0..72).map(|n| (start + n * 3_600_000, Some(Value::from(1.0)), Quality::Good));
    site.put_all("attic.t", hours.collect()).await;
    let to = start + 71 * 3_600_000;
    let path =
        format!("/api/v1/sensors/attic.t/data?from={start}&to={to}&every=1d&tz=Europe/Berlin");
    let answer = site.get(&path).await.ok(200);
    assert_eq!(numbers(&answer["count"]), [24.0, 23.0, 24.0]);
    assert_eq!((&answer["every"], &answer["tz"]), (&json!("1d"), &json!("Europe/Berlin")));
    assert!(answer.get("width_ms").is_none());
    site.running.stop().await;
}

#[tokio::test]
async fn raw_pages_lead_through_all_readings() {
    let site = Site::start().await;
    let plain = filled(&site, 2_500).await;
    let base = format!("/api/v1/sensors/attic.t/data?from={T0}&to={}&raw=1", T0 + 100_000_000);
    let whole = site.get(&base).await.ok(200);
    assert_eq!(numbers(&whole["v"]).len(), 2_500);
    assert_eq!(whole["next"], Json::Null);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("{base}&limit=999{cursor}")).await.ok(200);
        all.extend(numbers(&page["v"]));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, plain.iter().map(|p| p.1).collect::<Vec<_>>());
    site.running.stop().await;
}

#[tokio::test]
async fn several_sensors_share_one_grid() {
    let site = Site::start().await;
    for n in 0..10 {
        site.put("a.t", T0 + n * 60_000, n as f64).await;
        site.put("b.door", T0 + n * 120_000, n % 2 == 0).await;
    }
    site.put("c.note", T0 + 60_000, "first").await;
    let to = T0 + 1_200_000;
    let path = format!("/api/v1/data?sensors=a.t,b.door,c.note&from={T0}&to={to}&points=100");
    let answer = site.get(&path).await.ok(200);
    let t = answer["t"].as_array().unwrap();
    for sensor in ["a.t", "b.door", "c.note"] {
        assert_eq!(answer["series"][sensor]["count"].as_array().unwrap().len(), t.len());
    }
    let a = answer["series"]["a.t"]["avg"].as_array().unwrap();
    assert_eq!(a.iter().filter(|v| !v.is_null()).count(), 10);
    assert!(a.iter().any(Json::is_null));
    assert_eq!(answer["series"]["b.door"]["max"][0], 1.0);
    let c = &answer["series"]["c.note"];
    assert!(c.get("avg").is_none());
    assert!(c["last"].as_array().unwrap().contains(&json!("first")));
    site.running.stop().await;
}

#[tokio::test]
async fn bad_readings_are_gaps_in_buckets_and_named_in_raw() {
    let site = Site::start().await;
    site.put("attic.t", T0, 1.0).await;
    let readings = vec![
        (T0 + 1_000, None, Quality::Bad("crc".into())),
        (T0 + 2_000, Some(Value::from(3.0)), Quality::Suspect("slow".into())),
        (T0 + 3_600_000, None, Quality::Bad("crc".into())),
    ];
    site.put_all("attic.t", readings).await;
    let range = format!("from={T0}&to={}", T0 + 7_200_000);
    let raw = site.get(&format!("/api/v1/sensors/attic.t/data?{range}")).await.ok(200);
    assert_eq!(raw["v"], json!([1.0, null, 3.0, null]));
    assert_eq!(raw["quality"], json!(["good", "bad", "suspect", "bad"]));
    let cut = site.get(&format!("/api/v1/sensors/attic.t/data?{range}&points=3")).await.ok(200);
    assert_eq!(cut["count"], json!([2]));
    assert_eq!(cut["avg"], json!([2.0]));
    let latest = site.get("/api/v1/sensors/attic.t/latest").await.ok(200);
    assert_eq!((&latest["quality"], &latest["reason"]), (&json!("bad"), &json!("crc")));
    site.running.stop().await;
}

#[tokio::test]
async fn files_hold_every_reading_and_no_formula() {
    let site = Site::start().await;
    let plain = filled(&site, 12_345).await;
    let range = format!("from={T0}&to={}", T0 + 1_000_000_000);
    let csv = site.get(&format!("/api/v1/sensors/attic.t/data?{range}&format=csv")).await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"attic.t.csv\"");
    let text = csv.text();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let read: Vec<f64> = rows.records().map(|row| row.unwrap()[2].parse().unwrap()).collect();
    assert_eq!(read, plain.iter().map(|p| p.1).collect::<Vec<_>>());
    assert_eq!(text.lines().nth(1), Some("2023-11-14T22:13:20Z,attic.t,0,,good,"));
    site.put("attic.note", T0, "=HYPERLINK(\"http://evil\")").await;
    let notes =
        site.get(&format!("/api/v1/sensors/attic.note/data?{range}&format=csv")).await.text();
    assert!(notes.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""), "{notes}");
    let lines =
        site.get(&format!("/api/v1/sensors/attic.t/data?{range}&format=jsonl")).await.text();
    assert_eq!(lines.lines().count(), 12_345);
    let last: Json = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["ts"], plain[12_344].0);
    site.running.stop().await;
}

#[tokio::test]
async fn readings_removed_by_hand_are_gone_and_counted() {
    let site = Site::start().await;
    let plain = filled(&site, 100).await;
    let path = format!("/api/v1/sensors/attic.t/data?from={}&to={}", plain[50].0, plain[60].0);
    assert_eq!(
        Asked::new(Method::DELETE, &path).bearer(&site.admin).to(site.address).await.status,
        204
    );
    let all = format!("/api/v1/sensors/attic.t/data?from={T0}&to={}&raw=1", T0 + 1_000_000);
    assert_eq!(numbers(&site.get(&all).await.ok(200)["v"]).len(), 90);
    let ledger = &site.get("/api/v1/diagnostics").await.ok(200)["ledger"];
    assert_eq!(ledger["removed"]["by_hand"], 10);
    site.running.stop().await;
}

#[tokio::test]
async fn an_empty_name_and_a_time_out_of_range_are_said_to_be_so() {
    let site = Site::start().await;
    site.put("attic.t", T0, 1.0).await;
    for (query, name, word) in [
        ("sensors=attic.t,", "sensors", "a name is empty"),
        ("sensors=", "sensors", "a name is empty"),
        ("sensors=attic", "sensors", "sensor_id"),
        ("sensors=attic.t&to=253402300799999", "to", "outside the years 1 to 9999"),
        ("sensors=attic.t&from=never", "from", "neither epoch milliseconds nor RFC 3339"),
    ] {
        let problem = site.get(&format!("/api/v1/data?{query}")).await.problem(400, "bad-request");
        let field = &problem["errors"][0];
        assert_eq!(field["parameter"], name, "{query}: {problem}");
        assert!(field["detail"].as_str().unwrap().contains(word), "{query}: {problem}");
    }
    site.running.stop().await;
}

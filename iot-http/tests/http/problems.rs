//! Bad input of every sort: each a clear problem, counted, and never a fault of the gateway.

use hyper::Method;
use iot_core::port::LogErrorKind;
use iot_testkit::memory::Fault;
use serde_json::json;

use crate::kit::{Asked, Site};

fn long(letter: &str) -> String {
    letter.repeat(300)
}

#[tokio::test]
async fn names_that_do_not_fit_say_their_rule() {
    let site = Site::start().await;
    for path in [
        format!("/api/v1/devices/{}", long("a")),
        "/api/v1/devices/%00".to_owned(),
        "/api/v1/devices/a%2Fb".to_owned(),
        "/api/v1/devices/%D0%B4".to_owned(),
        "/api/v1/sensors/attic".to_owned(),
        format!("/api/v1/sensors/attic.{}/data", long("t")),
        format!("/api/v1/commands/{}", long("c")),
        "/api/v1/devices/%FF".to_owned(),
    ] {
        site.get(&path).await.problem(400, "bad-request");
    }
    let problem = site.get(&format!("/api/v1/devices/{}", long("a"))).await.json();
    assert!(problem["detail"].as_str().unwrap().contains("1 to 64"), "{problem}");
    let made = json!({ "device_id": long("a") });
    let problem = site.send(Method::POST, "/api/v1/devices", made).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/device_id");
    site.running.stop().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_say_why() {
    let site = Site::start().await;
    let post = || Asked::new(Method::POST, "/api/v1/devices").bearer(&site.admin);
    let as_json = || post().header("Content-Type", "application/json");
    for broken in ["", "{", "nonsense", "{\"device_id\":\"a\"}}", "NaN", "\u{feff}{}"] {
        as_json().body(broken).to(site.address).await.problem(400, "bad-request");
    }
    as_json().body(vec![0xff, 0xfe]).to(site.address).await.problem(400, "bad-request");
    // What broke off is no JSON, whatever its beginning would have been refused for.
    for broken in [
        "[".repeat(100_000),
        "{\"device_id\":\"x\",\"device_id\":".to_owned(),
        "{\"name\":5".to_owned(),
    ] {
        as_json().body(broken).to(site.address).await.problem(400, "bad-request");
    }
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    as_json().body(deep).to(site.address).await.problem(422, "invalid");
    let command = "/api/v1/devices/pump/commands";
    let deep = format!("{{\"name\":\"x\",\"params\":{}", "[".repeat(10_000));
    let deep =
        Asked::new(Method::POST, command).header("Content-Type", "application/json").body(deep);
    deep.bearer(&site.admin).to(site.address).await.problem(400, "bad-request");
    post().body("{}").to(site.address).await.problem(415, "media-type");
    post()
        .header("Content-Type", "text/plain")
        .body("{}")
        .to(site.address)
        .await
        .problem(415, "media-type");
    let zipped = as_json().header("Content-Encoding", "gzip").body("x");
    zipped.to(site.address).await.problem(415, "media-type");
    let large = as_json().body(vec![b' '; 10 << 20]);
    large.to(site.address).await.problem(413, "too-large");
    let unknown =
        site.send(Method::POST, "/api/v1/devices", json!({"device_id": "a", "colour": 1}));
    let problem = unknown.await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/colour");
    for wrong in [json!([]), json!({"device_id": 5}), json!({"device_id": "a", "labels": "x"})] {
        site.send(Method::POST, "/api/v1/devices", wrong).await.problem(422, "invalid");
    }
    let named = json!({"device_id": "a", "name": ""});
    let problem = site.send(Method::POST, "/api/v1/devices", named).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/name");
    let twice = as_json().body(r#"{"device_id":"a","device_id":"b"}"#).to(site.address).await;
    assert_eq!(twice.problem(422, "invalid")["errors"][0]["pointer"], "/device_id");

    let metrics = site.get("/metrics").await.text();
    let counted = metrics.lines().find(|line| line.contains("type=\"too-large\"")).unwrap();
    assert!(counted.ends_with(" 1"), "{counted}");
    site.running.stop().await;
}

#[tokio::test]
async fn missing_fields_and_wrong_types_are_named_in_words_of_json() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    let (post, patch) = (Method::POST, Method::PATCH);
    let attic = "/api/v1/devices/attic";
    for (method, path, body, pointer) in [
        (&post, "/api/v1/devices", json!({}), "/device_id"),
        (&post, "/api/v1/devices", json!({"device_id": 5}), "/device_id"),
        (&post, "/api/v1/devices/pump/commands", json!({"params": {}}), "/name"),
        (&post, "/api/v1/devices/attic/move", json!({}), "/home"),
        (&patch, attic, json!(5), ""),
        (&patch, attic, json!({"labels": {}}), "/labels"),
        (&patch, "/api/v1/sensors/attic.t", json!({"precision": 300}), "/precision"),
        (&patch, "/api/v1/sensors/attic.t", json!({"precision": "x"}), "/precision"),
        (&patch, "/api/v1/sensors/attic.t", json!({"retention_days": -1}), "/retention_days"),
        (
            &patch,
            "/api/v1/sensors/attic.t",
            json!({"calibration": {"scale": "x"}}),
            "/calibration/scale",
        ),
        (&patch, "/api/v1/settings", json!("x"), ""),
        (
            &post,
            "/api/v1/tokens",
            json!({"name": "x", "role": "viewer", "lifetime_s": "x"}),
            "/lifetime_s",
        ),
    ] {
        let problem = site.send(method.clone(), path, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path} {body}: {problem}");
        assert!(problem["errors"][0].get("parameter").is_none(), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        for rust in ["struct", "u8", "u32", "u64", "f64", "map", "sequence", "missing field"] {
            assert!(!detail.contains(rust), "{rust} in {detail}");
        }
    }
    site.running.stop().await;
}

#[tokio::test]
async fn queries_that_do_not_fit_name_the_parameter() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    let data = "/api/v1/sensors/attic.t/data";
    for (query, word) in [
        ("points=1000000", "points"),
        ("points=0", "points"),
        ("points=x", "points"),
        ("from=yesterday", "from"),
        ("from=2&to=1", "from"),
        ("every=2d", "every"),
        ("every=1d&tz=Mars/Olympus", "tz"),
        ("tz=UTC", "tz"),
        ("every=15m&from=0", "from"),
        ("format=parquet", "format"),
        ("format=xml", "format"),
        ("raw=maybe", "raw"),
        ("raw=1&limit=100001", "limit"),
        ("raw=1&cursor=zz", "cursor"),
        ("limit=5", "limit"),
        ("colour=1", "colour"),
        ("to=1&to=2", "to"),
    ] {
        let problem = site.get(&format!("{data}?{query}")).await.problem(400, "bad-request");
        assert_eq!(problem["errors"][0]["parameter"], word, "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{query}: {problem}");
    }
    for (path, word) in [
        ("/api/v1/devices/bad%20id", "device_id"),
        ("/api/v1/devices/%FF", "device_id"),
        ("/api/v1/sensors/attic", "sensor_id"),
        ("/api/v1/plugins/%20", "kind"),
        ("/api/v1/tokens/xyz", "token_id"),
        ("/api/v1/devices?limit=abc", "limit"),
        ("/api/v1/devices?bogus=1", "bogus"),
        ("/api/v1/devices/pump?bogus=1", "bogus"),
        ("/api/v1/diagnostics?x=1", "x"),
        ("/api/v1/settings?x=1", "x"),
        ("/api/v1/session?x=1", "x"),
        ("/api/v1/sensors?device=a%20b", "device"),
        ("/api/v1/devices?limit=0", "limit"),
        ("/api/v1/devices?limit=1001", "limit"),
        ("/api/v1/devices?limit=-1", "limit"),
        ("/api/v1/devices?cursor=x", "cursor"),
        ("/api/v1/devices?state=asleep", "state"),
        ("/api/v1/devices?view=tiny", "view"),
        ("/api/v1/audit?cursor=6162", "cursor"),
        ("/api/v1/data", "sensors"),
        ("/api/v1/data?sensors=", "sensors"),
        ("/api/v1/sensors/attic.t/latest?before=x", "before"),
    ] {
        let problem = site.get(path).await.problem(400, "bad-request");
        assert_eq!(problem["errors"][0]["parameter"], word, "{path}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{word}"), "{path}: {problem}");
    }
    Asked::get("/api/v1/session?x=1").to(site.address).await.problem(401, "unauthenticated");
    let body = json!({"name": "set_level", "params": {"level": 1}});
    for (path, word) in
        [("/api/v1/devices/pump/commands?wait=abc", "wait"), ("/api/v1/devices?x=1", "x")]
    {
        let problem = site.send(Method::POST, path, body.clone()).await.problem(400, "bad-request");
        assert_eq!(problem["errors"][0]["parameter"], word, "{path}: {problem}");
    }
    let bare = site.ask(Method::DELETE, data).await.problem(400, "bad-request");
    assert_eq!(bare["errors"][0]["pointer"], "/from");
    site.running.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let site = Site::start().await;
    for path in [
        "/api/v1/devices/nobody",
        "/api/v1/sensors/nobody.t",
        "/api/v1/sensors/nobody.t/data",
        "/api/v1/data?sensors=nobody.t",
        "/api/v1/commands/none",
        "/api/v1/plugins/none",
        "/api/v1/instances/none",
        "/api/v1/users",
    ] {
        site.get(path).await.problem(404, "not-found");
    }
    for (method, path) in
        [(Method::PATCH, "/api/v1/devices/nobody"), (Method::PATCH, "/api/v1/sensors/nobody.t")]
    {
        site.send(method, path, json!({})).await.problem(404, "not-found");
    }
    site.ask(Method::DELETE, "/api/v1/devices/nobody").await.problem(404, "not-found");
    site.running.stop().await;
}

#[tokio::test]
async fn a_store_without_room_is_507_and_one_that_fails_503() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    site.store.fail(Fault::Before(LogErrorKind::Full));
    let full = site.send(Method::PATCH, "/api/v1/devices/attic", json!({"name": "x"})).await;
    full.problem(507, "store-full");
    assert!(!full.header("retry-after").is_empty());
    site.store.fail(Fault::None);
    drop(site);
}

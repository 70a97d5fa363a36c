//! Lists: filters, pages, and a walk while devices come.

use serde_json::Value as Json;

use crate::kit::Site;

fn ids(page: &Json) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|d| d["device_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_walk_gives_each_device_once_while_others_come() {
    let site = Site::start().await;
    for n in 0..25 {
        site.put(&format!("d{n:02}.t"), 1_700_000_000_000, 1.0).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for step in 0.. {
        let page = site.get(&format!("/api/v1/devices?limit=7{cursor}")).await.ok(200);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        site.put(&format!("d{step:02}-new.t"), 1_700_000_000_000, 1.0).await;
        site.put(&format!("e{step:02}.t"), 1_700_000_000_000, 1.0).await;
    }
    for n in 0..25 {
        let id = format!("d{n:02}");
        assert_eq!(seen.iter().filter(|one| **one == id).count(), 1, "{id} in {seen:?}");
    }
    let mut sensors = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = site.get(&format!("/api/v1/sensors?limit=4{cursor}")).await.ok(200);
        sensors
            .extend(page["items"].as_array().unwrap().iter().map(|s| s["sensor_id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all = sensors.len();
    sensors.sort();
    sensors.dedup();
    assert_eq!(
        (sensors.len(), all),
        (all, site.running.devices().iter().map(|d| d.sensors.len()).sum())
    );
    site.running.stop().await;
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    site.put("cellar.t", 1_700_000_000_000, 1.0).await;
    let edit = serde_json::json!({"name": "Wein", "area": "below", "labels": ["cold", "dark"]});
    site.send(hyper::Method::PATCH, "/api/v1/devices/cellar", edit).await.ok(200);
    for (query, found) in [
        ("area=below", vec!["cellar"]),
        ("label=dark", vec!["cellar"]),
        ("label=light", vec![]),
        ("kind=api", vec!["attic", "cellar"]),
        ("q=wEi", vec!["cellar"]),
        ("q=ATT", vec!["attic"]),
        ("state=online&q=c", vec!["attic", "cellar"]),
        ("state=fault", vec![]),
    ] {
        let page = site.get(&format!("/api/v1/devices?{query}")).await.ok(200);
        assert_eq!(ids(&page), found, "{query}");
    }
    let summary = site.get("/api/v1/devices?view=summary&q=attic").await.ok(200);
    assert!(summary["items"][0].get("sensors").is_none());
    assert_eq!(summary["items"][0]["state"], "online");
    site.running.stop().await;
}

#[tokio::test]
async fn the_audit_and_commands_are_walked_newest_first() {
    let site = Site::start().await;
    for n in 0..9 {
        let body = serde_json::json!({"name": "set_level", "params": {"level": n}});
        let path = "/api/v1/devices/pump/commands?wait=1";
        site.send(hyper::Method::POST, path, body).await.ok(200);
    }
    for path in ["/api/v1/commands?device=pump&limit=4", "/api/v1/audit?limit=4"] {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = site.get(&format!("{path}{cursor}")).await.ok(200);
            all.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!(all.len() >= 9, "{path}: {}", all.len());
        let times: Vec<i64> =
            all.iter().map(|row| row["created"].as_i64().or(row["at"].as_i64()).unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    }
    site.running.stop().await;
}

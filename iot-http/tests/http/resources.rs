//! Devices, sensors, settings, plugins, instances, audit, diagnostics, metrics.

use hyper::Method;
use iot_core::domain::DeviceId;
use iot_core::format::device::DeviceShape;
use serde_json::json;

use crate::kit::{Asked, Site};

#[tokio::test]
async fn a_device_is_made_edited_moved_and_deleted() {
    let site = Site::start().await;
    let new = json!({"device_id": "attic", "name": "Attic", "labels": ["up"], "area": "roof", "icon": "house"});
    let made = site.send(Method::POST, "/api/v1/devices", new.clone()).await;
    let device = made.ok(201);
    assert_eq!(made.header("location"), "/api/v1/devices/attic");
    assert_eq!(device["home"], "api");
    assert_eq!(device["labels"], json!(["up"]));
    assert_eq!(device["icon"], "house");
    assert_eq!(device["sensors"], json!([]));
    site.send(Method::POST, "/api/v1/devices", new).await.problem(409, "conflict");

    let edit = json!({"name": null, "area": "loft", "labels": null});
    let edited = site.send(Method::PATCH, "/api/v1/devices/attic", edit).await.ok(200);
    assert_eq!((&edited["name"], &edited["area"]), (&json!(null), &json!("loft")));
    assert_eq!((&edited["labels"], &edited["icon"]), (&json!([]), &json!("house")));
    let wanted = json!({"home": "instance:bench"});
    let moved = site.send(Method::POST, "/api/v1/devices/attic/move", wanted).await.ok(200);
    assert_eq!(moved["home"], "instance:bench");
    for home in ["moon", "instance:nowhere"] {
        let wanted = json!({ "home": home });
        let wrong = site.send(Method::POST, "/api/v1/devices/attic/move", wanted).await;
        assert_eq!(wrong.problem(422, "invalid")["errors"][0]["pointer"], "/home");
    }

    assert_eq!(site.ask(Method::DELETE, "/api/v1/devices/attic?history=1").await.status, 204);
    site.get("/api/v1/devices/attic").await.problem(404, "not-found");
    for action in ["device.create", "device.edit", "device.move", "device.delete"] {
        site.audited(action, |row| row["action"] == action).await;
    }
    site.running.stop().await;
}

#[tokio::test]
async fn the_second_of_two_edits_with_one_tag_is_refused() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    for path in ["/api/v1/devices/attic", "/api/v1/sensors/attic.t"] {
        let tag = site.get(path).await.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        let patch = |name: &str| {
            Asked::new(Method::PATCH, path)
                .bearer(&site.admin)
                .header("If-Match", &tag)
                .json(&json!({ "name": name }))
                .to(site.address)
        };
        let (a, b) = tokio::join!(patch("a"), patch("b"));
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{path}");
        let lost = if a.status == 412 { &a } else { &b };
        lost.problem(412, "changed");
        let kept = if a.status == 200 { &a } else { &b };
        let now = site.get(path).await;
        assert_eq!(now.header("etag"), kept.header("etag"));
        let known =
            Asked::get(path).bearer(&site.admin).header("If-None-Match", now.header("etag"));
        assert_eq!(known.to(site.address).await.status, 304);
        // A reading is no edit: whoever looked before it may still change what he saw.
        site.put("attic.t", 1_700_000_001_000, 2.0).await;
        assert_eq!(site.get(path).await.header("etag"), now.header("etag"));
        let stale = Asked::new(Method::DELETE, "/api/v1/devices/attic").bearer(&site.admin);
        stale
            .header("If-Match", "\"0000000000000000\"")
            .to(site.address)
            .await
            .problem(412, "changed");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn what_was_changed_since_it_was_read_is_not_deleted() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    let data = "/api/v1/sensors/attic.t/data?from=0&to=2000000000000";
    let wanted = json!({"name": "grafana", "role": "viewer"});
    let made = site.send(Method::POST, "/api/v1/tokens", wanted).await;
    let (token, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    let shown = site.get(&token).await;
    let listed = site.get("/api/v1/tokens").await.ok(200);
    assert!(listed["items"].as_array().unwrap().contains(&shown.ok(200)));
    assert_eq!(shown.header("etag"), tag);
    let sensor = site.get("/api/v1/sensors/attic.t").await.header("etag").to_owned();
    for (path, tag) in [(token.as_str(), &tag), (data, &sensor)] {
        let delete = async |tag: &str| {
            let asked = Asked::new(Method::DELETE, path).bearer(&site.admin);
            asked.header("If-Match", tag).to(site.address).await
        };
        delete("\"0000000000000000\"").await.problem(412, "changed");
        assert_eq!(delete(tag).await.status, 204, "{path}");
    }
    site.get(&token).await.problem(404, "not-found");
    let left = site.get("/api/v1/sensors/attic.t/data?from=0&to=2000000000000").await.ok(200);
    assert_eq!(left["t"], json!([]));
    site.running.stop().await;
}

#[tokio::test]
async fn links_are_made_as_asked_for_or_not_at_all() {
    let site = Site::start().await;
    let post = async |body| site.send(Method::POST, "/api/v1/tokens", body).await;
    let lives = |token: &serde_json::Value| {
        token["expires"].as_i64().unwrap() - token["created"].as_i64().unwrap()
    };
    let usual = post(json!({"kind": "link"})).await.ok(201);
    assert_eq!((&usual["role"], &usual["name"]), (&json!("admin"), &json!("link")));
    assert_eq!(lives(&usual), 15 * 60_000);
    let asked = json!({"kind": "link", "role": "viewer", "lifetime_s": 5, "name": "v"});
    let link = post(asked).await.ok(201);
    assert_eq!((&link["role"], &link["name"]), (&json!("viewer"), &json!("v")));
    assert_eq!(lives(&link), 5_000);
    let token = json!({"token": link["token"]});
    let begun = Asked::new(Method::POST, "/api/v1/session").json(&token).to(site.address).await;
    assert_eq!(begun.ok(200)["principal"]["role"], "viewer");
    for (wrong, pointer) in [
        (json!({"kind": "link", "lifetime_s": 86_401}), "/lifetime_s"),
        (json!({"kind": "link", "lifetime_s": 0}), "/lifetime_s"),
        (json!({"kind": "link", "expires_in_s": 86_401}), "/expires_in_s"),
        (json!({"kind": "link", "expires_in_s": 1, "lifetime_s": 1}), "/lifetime_s"),
        (json!({"kind": "link", "name": ""}), "/name"),
        (json!({"kind": "link", "role": "root"}), "/role"),
    ] {
        let problem = post(wrong).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for kind in ["bogus", "session"] {
        let problem = post(json!({"kind": kind})).await.problem(422, "invalid");
        let field = json!({
            "pointer": "/kind",
            "detail": format!("must be api or link, not {kind:?}"),
        });
        assert_eq!(problem["errors"], json!([field]));
    }
    site.running.stop().await;
}

#[tokio::test]
async fn a_sensor_shows_its_latest_reading_and_takes_edits() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_123, 21.5).await;
    site.put("attic.door", 1_700_000_000_123, true).await;
    site.put("attic.note", 1_700_000_000_123, "=cmd()").await;
    let device = site.get("/api/v1/devices/attic").await.ok(200);
    let types: Vec<_> = device["sensors"].as_array().unwrap().iter().map(|s| &s["type"]).collect();
    assert_eq!(types, ["number", "bool", "text"]);
    let sensor = site.get("/api/v1/sensors/attic.t").await.ok(200);
    assert_eq!(sensor["latest"]["ts"], 1_700_000_000_123_i64);
    assert_eq!(sensor["latest"]["value"], 21.5);
    assert!(sensor["latest"].get("quality").is_none(), "good is left out");
    assert_eq!(site.get("/api/v1/sensors/attic.door").await.ok(200)["latest"]["value"], true);
    let edit = json!({
        "name": "Temperature", "display_unit": "[degF]", "precision": 1,
        "calibration": {"offset": -0.5}, "retention_days": 30,
    });
    let edited = site.send(Method::PATCH, "/api/v1/sensors/attic.t", edit).await.ok(200);
    assert_eq!(edited["calibration"], json!({"scale": 1.0, "offset": -0.5}));
    assert_eq!(edited["retention_days"], 30);
    site.put("attic.t", 1_700_000_001_000, 21.5).await;
    assert_eq!(site.get("/api/v1/sensors/attic.t/latest").await.ok(200)["value"], 21.0);
    let before = site.get("/api/v1/sensors/attic.t/latest?before=1700000001000").await.ok(200);
    assert_eq!(before["value"], 21.5);
    let none = site.get("/api/v1/sensors/attic.t/latest?before=1").await;
    assert_eq!((none.status, none.text().as_str()), (200, "null"));
    let wrong = json!({"precision": 99, "calibration": {"scale": 0}});
    let problem =
        site.send(Method::PATCH, "/api/v1/sensors/attic.t", wrong).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    site.running.stop().await;
}

#[tokio::test]
async fn what_a_broker_keeps_of_a_device_is_the_resource_without_latest_values() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_123, 21.5).await;
    let mut shown = site.get("/api/v1/devices/attic").await.ok(200);
    for sensor in shown["sensors"].as_array_mut().unwrap() {
        assert!(sensor.as_object_mut().unwrap().remove("latest").is_some());
    }
    let view = site.running.device(&DeviceId::parse("attic").unwrap()).unwrap();
    assert_eq!(serde_json::to_value(DeviceShape::described(&view)).unwrap(), shown);
    site.running.stop().await;
}

#[tokio::test]
async fn settings_are_shown_with_what_decides_them_and_set_all_or_none() {
    let site = Site::start().await;
    let shown = site.get("/api/v1/settings").await.ok(200);
    assert_eq!(
        shown["time_zone"],
        json!({"value": "UTC", "default": "UTC", "source": "default", "read_only": false})
    );
    let wanted = json!({"time_zone": "Europe/Berlin", "gateway_name": "Attic"});
    let set = site.send(Method::PATCH, "/api/v1/settings", wanted).await.ok(200);
    assert_eq!(set["time_zone"]["source"], "stored");
    let wrong = json!({"gateway_name": "Cellar", "time_zone": "Mars"});
    let problem = site.send(Method::PATCH, "/api/v1/settings", wrong).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/time_zone");
    let unknown = json!({"colour": 1});
    let problem =
        site.send(Method::PATCH, "/api/v1/settings", unknown).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/colour");
    assert_eq!(site.get("/api/v1/settings").await.ok(200)["gateway_name"]["value"], "Attic");
    assert_eq!(site.running.info().time_zone, "Europe/Berlin");
    site.running.stop().await;
}

#[tokio::test]
async fn plugins_instances_and_diagnostics_are_shown() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    let plugins = site.get("/api/v1/plugins").await.ok(200);
    let kind = plugins["items"][0]["kind"].as_str().unwrap();
    site.get(&format!("/api/v1/plugins/{kind}")).await.ok(200);
    let instances = site.get("/api/v1/instances").await.ok(200);
    let bench = &instances["items"][0];
    assert_eq!(bench["name"], "bench");
    assert_eq!((&bench["state"], &bench["origin"]), (&json!("running"), &json!("code")));
    assert_eq!(bench["devices"], 1);
    assert_eq!(site.get("/api/v1/instances/bench").await.ok(200)["name"], "bench");
    let answer = site.get("/api/v1/diagnostics").await;
    assert!(answer.body.len() < 4_096, "{}", answer.body.len());
    let diagnostics = answer.ok(200);
    let ledger = &diagnostics["ledger"];
    assert_eq!(ledger["accepted"], 1);
    assert_eq!(ledger["stored"], 1);
    assert_eq!(ledger["kept"], 1);
    assert_eq!(diagnostics["build"], "1.2.3+test");
    let metrics = site.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for line in
        ["iot_readings_stored_total 1", "iot_readings_accepted_total 1", "iot_readings_kept 1.0"]
    {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("iot_http_requests_total{class=\"2xx\"}"), "{text}");
    site.running.stop().await;
}

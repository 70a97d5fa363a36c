//! Links to other brokers, the embedded broker, and messages that were refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use iot_core::domain::{Origin, Role, Scope};
use iot_core::ledger::Refusal;
use iot_core::port::{
    BrokerFigures, BrokerState, BrokerView, Layer, LayerCx, LayerError, LinkState, LinkView, Links,
};
use iot_http::Http;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::kit::{Asked, Site};

/// A layer that keeps links and a broker, as MQTT does.
struct Outside(Arc<Figures>);

struct Figures {
    links: Vec<LinkView>,
    broker: BrokerView,
}

impl Links for Figures {
    fn links(&self) -> Vec<LinkView> {
        self.links.clone()
    }
}

impl BrokerFigures for Figures {
    fn broker(&self) -> BrokerView {
        self.broker.clone()
    }
}

#[async_trait]
impl Layer for Outside {
    fn name(&self) -> &'static str {
        "mqtt"
    }
    fn links(&self) -> Option<Arc<dyn Links>> {
        Some(self.0.clone())
    }
    fn broker(&self) -> Option<Arc<dyn BrokerFigures>> {
        Some(self.0.clone())
    }
    async fn open(&mut self, _: LayerCx) -> Result<(), LayerError> {
        Ok(())
    }
    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        stop.cancelled().await;
        Ok(())
    }
}

fn link(name: &str, state: LinkState) -> LinkView {
    LinkView {
        name: name.into(),
        url: "mqtts://broker.example:8883".into(),
        username: Some("gw1".into()),
        devices: vec!["*".into()],
        prefix: String::new(),
        qos: 1,
        format: "flat",
        ingest: Vec::new(),
        commands: false,
        origin: Origin::File,
        state,
        reason: Some("connection refused".into()),
        lag: 17,
        lag_s: 2.5,
        backlog_bytes: 4_000,
        acknowledged: 123,
        dropped: BTreeMap::from([("too_large", 2)]),
    }
}

fn broker() -> BrokerView {
    let addresses = vec!["127.0.0.1:1883".parse().unwrap(), "[::1]:1883".parse().unwrap()];
    BrokerView {
        connections: 3,
        retained_bytes: 77,
        published_in: 9,
        dropped: BTreeMap::from([("queue_full", 4)]),
        ..BrokerView::new(BrokerState::Listening { addresses })
    }
}

async fn site(links: Vec<LinkView>) -> Site {
    let outside = Outside(Arc::new(Figures { links, broker: broker() }));
    Site::with(Http::on("127.0.0.1:0"), |builder| builder.layer(outside)).await
}

fn names(page: &Json) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|link| link["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn links_are_listed_by_name_and_each_is_shown_with_its_figures() {
    let links = vec![link("up", LinkState::BackingOff), link("aside", LinkState::Live)];
    let site = site(links).await;
    assert_eq!(names(&site.get("/api/v1/mqtt/links").await.ok(200)), ["aside", "up"]);
    let first = site.get("/api/v1/mqtt/links?limit=1").await.ok(200);
    let next = first["next"].as_str().unwrap();
    let second = site.get(&format!("/api/v1/mqtt/links?limit=1&cursor={next}")).await.ok(200);
    assert_eq!((names(&first), names(&second)), (vec!["aside"], vec!["up"]));
    assert_eq!(second["next"], Json::Null);

    let shown = site.get("/api/v1/mqtt/links/up").await;
    let expected = json!({
        "name": "up", "url": "mqtts://broker.example:8883", "username": "gw1", "devices": ["*"],
        "prefix": "", "qos": 1, "format": "flat", "ingest": [], "commands": false,
        "origin": "file", "state": "backing_off", "reason": "connection refused", "lag": 17,
        "lag_s": 2.5, "backlog_bytes": 4000, "acknowledged": 123, "dropped": {"too_large": 2},
    });
    assert_eq!(shown.ok(200), expected);
    let again = Asked::get("/api/v1/mqtt/links/up").bearer(&site.admin);
    let again = again.header("If-None-Match", shown.header("etag")).to(site.address).await;
    assert_eq!(again.status, 304);
    site.get("/api/v1/mqtt/links/down").await.problem(404, "not-found");
    site.get("/api/v1/mqtt/links/a%20b").await.problem(400, "bad-request");
    for (method, path) in [
        (Method::POST, "/api/v1/mqtt/links"),
        (Method::PATCH, "/api/v1/mqtt/links/up"),
        (Method::DELETE, "/api/v1/mqtt/links/up"),
    ] {
        site.ask(method, path).await.problem(405, "method");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn diagnostics_and_metrics_tell_how_links_and_broker_fare() {
    let links = vec![link("up", LinkState::Live), link("aside", LinkState::Live)];
    let site = site(links).await;
    let diagnostics = site.get("/api/v1/diagnostics").await.ok(200);
    assert_eq!(diagnostics["links"], json!({"live": 2}));
    let mqtt = &diagnostics["mqtt"];
    assert_eq!(mqtt["state"], "listening");
    assert_eq!(mqtt["addresses"], json!(["127.0.0.1:1883", "[::1]:1883"]));
    assert_eq!((&mqtt["connections"], &mqtt["dropped"]), (&json!(3), &json!({"queue_full": 4})));
    let text = site.get("/metrics").await.text();
    for line in [
        "iot_link_state{link=\"up\",state=\"live\"} 1.0",
        "iot_link_state{link=\"up\",state=\"paused\"} 0.0",
        "iot_link_lag_readings{link=\"aside\"} 17.0",
        "iot_link_lag_seconds{link=\"aside\"} 2.5",
        "iot_link_acknowledged_total{link=\"up\"} 123",
        "iot_link_dropped_total{link=\"up\",reason=\"too_large\"} 2",
        "iot_mqtt_listening 1.0",
        "iot_mqtt_connections 3.0",
        "iot_mqtt_retained_bytes 77.0",
        "iot_mqtt_published_in_total 9",
        "iot_mqtt_dropped_total{reason=\"queue_full\"} 4",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn diagnostics_stay_short_with_many_links_and_every_reason_to_refuse() {
    let links = (0..200).map(|n| link(&format!("l{n}"), LinkState::ALL[n % 6])).collect();
    let site = site(links).await;
    for why in Refusal::ALL {
        site.running.count_refused(why, u64::from(u32::MAX));
    }
    let answer = site.get("/api/v1/diagnostics").await;
    assert_eq!(answer.json()["links"]["refused"], 33);
    assert!(answer.body.len() < 4_096, "{}", answer.body.len());
    site.running.stop().await;
}

#[tokio::test]
async fn a_gateway_without_mqtt_has_no_links_and_no_broker() {
    let site = Site::start().await;
    let empty = json!({"items": [], "next": null});
    assert_eq!(site.get("/api/v1/mqtt/links").await.ok(200), empty);
    assert_eq!(site.get("/api/v1/diagnostics").await.ok(200)["mqtt"], Json::Null);
    assert!(!site.get("/metrics").await.text().contains("iot_mqtt_"));
    site.running.stop().await;
}

#[tokio::test]
async fn refused_messages_are_walked_newest_first_by_those_who_may_act_on_them() {
    let site = Site::start().await;
    for n in 0..7 {
        let payload = format!("{{\"t\":{n}");
        site.running.refuse(
            "listener:mqtt",
            "devices/a/data",
            Refusal::Malformed,
            payload.as_bytes(),
        );
    }
    let path = "/api/v1/diagnostics/refused";
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("{path}?limit=3{cursor}")).await.ok(200);
        seen.extend(page["items"].as_array().unwrap().clone());
        // What is refused meanwhile moves nothing.
        site.running.refuse("link:up", "x", Refusal::BadName, b"");
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let payloads: Vec<&str> = seen.iter().map(|m| m["payload"].as_str().unwrap()).collect();
    assert_eq!(
        payloads,
        ["{\"t\":6", "{\"t\":5", "{\"t\":4", "{\"t\":3", "{\"t\":2", "{\"t\":1", "{\"t\":0"]
    );
    let newest = &seen[0];
    assert_eq!(
        (&newest["door"], &newest["reason"]),
        (&json!("listener:mqtt"), &json!("malformed"))
    );
    assert_eq!(newest["topic"], "devices/a/data");
    assert!(newest["at"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{newest}");
    let viewer = site.token(Role::Viewer, Scope::All).await;
    Asked::get(path).bearer(&viewer).to(site.address).await.problem(403, "forbidden");
    let text = site.get("/metrics").await.text();
    let line = "iot_readings_refused_total{reason=\"malformed\"} 7";
    assert!(text.lines().any(|l| l == line), "{text}");
    site.running.stop().await;
}

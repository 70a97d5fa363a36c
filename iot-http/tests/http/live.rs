//! The WebSocket, message by message.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Method;
use iot_core::domain::{DeviceId, Principal, Role, Scope, TokenSecret};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::kit::{Asked, PATIENCE, Site};

pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Opens a socket with some headers.
    async fn open(site: &Site, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let url = format!("ws://{}/api/v1/ws", site.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn signed_in(site: &Site) -> Self {
        Self::open(site, &[("Authorization", &format!("Bearer {}", site.admin))]).await.unwrap()
    }

    pub(crate) async fn say(&mut self, message: Json) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message of the gateway; its close code where it closes.
    pub(crate) async fn hear(&mut self) -> Result<Json, u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The next message of a type; others are passed over.
    pub(crate) async fn hear_type(&mut self, wanted: &str) -> Json {
        loop {
            let message = self.hear().await.unwrap();
            if message["type"] == wanted {
                return message;
            }
        }
    }
}

fn all(id: u64) -> Json {
    json!({"type": "subscribe", "id": id, "devices": ["*"]})
}

#[tokio::test]
async fn the_handshake_needs_a_credential_and_our_own_page() {
    let site = Site::start().await;
    let plain = Asked::get("/api/v1/ws");
    plain.clone().to(site.address).await.problem(401, "unauthenticated");
    let signed_in = plain.clone().bearer(&site.admin).to(site.address).await;
    signed_in.problem(426, "upgrade");
    assert_eq!(signed_in.header("upgrade"), "websocket");
    let open = async |headers: &[(&str, &str)]| Client::open(&site, headers).await.err();
    assert_eq!(open(&[("Authorization", "Bearer x")]).await, Some(401));
    assert_eq!(open(&[("Cookie", &format!("iot_{}=x", site.running.info().id))]).await, Some(401));
    assert_eq!(open(&[("Host", "evil.example")]).await, Some(403));
    assert_eq!(open(&[("Origin", "http://evil.example")]).await, Some(403));
    let own = format!("http://{}", site.address);
    assert_eq!(open(&[("Origin", &own)]).await, None);
    let link = site.link().await;
    let body = json!({ "token": link });
    let session = Asked::new(Method::POST, "/api/v1/session").json(&body).to(site.address).await;
    let cookie = session.header("set-cookie").split(';').next().unwrap();
    let mut client = Client::open(&site, &[("Cookie", cookie)]).await.unwrap();
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await.unwrap(), json!({"type": "pong"}));
    site.running.stop().await;
}

#[tokio::test]
async fn a_first_message_signs_in_and_nothing_is_said_before() {
    let site = Site::start().await;
    let mut client = Client::open(&site, &[]).await.unwrap();
    client.say(json!({"type": "auth", "token": site.admin})).await;
    client.say(all(1)).await;
    assert_eq!(client.hear().await.unwrap()["type"], "snapshot");
    for wrong in [json!({"type": "auth", "token": "x"}), all(1), json!("nonsense")] {
        let mut client = Client::open(&site, &[]).await.unwrap();
        client.say(wrong).await;
        assert_eq!(client.hear().await, Err(4401));
    }
    let mut silent = Client::open(&site, &[]).await.unwrap();
    let began = Instant::now();
    assert_eq!(silent.hear().await, Err(1008));
    assert!((4..8).contains(&began.elapsed().as_secs()));
    site.running.stop().await;
}

#[tokio::test]
async fn a_subscription_begins_with_what_is_and_goes_on_with_what_comes() {
    let site = Site::start().await;
    site.put("attic.t", 1_700_000_000_000, 1.0).await;
    site.put("cellar.t", 1_700_000_000_000, 2.0).await;
    let mut client = Client::signed_in(&site).await;
    client.say(all(7)).await;
    let snapshot = client.hear().await.unwrap();
    assert_eq!((&snapshot["type"], &snapshot["id"]), (&json!("snapshot"), &json!(7)));
    let ids: Vec<_> =
        snapshot["devices"].as_array().unwrap().iter().map(|d| &d["device_id"]).collect();
    assert_eq!(ids, ["attic", "cellar", "pump"]);
    assert_eq!(snapshot["devices"][0]["sensors"][0]["latest"]["value"], 1.0);
    let latest = json!({
        "device_id": "attic", "key": "t", "ts": 1_700_000_000_000_i64, "value": 1.0, "time": "device",
    });
    assert!(snapshot["readings"].as_array().unwrap().contains(&latest), "{snapshot}");
    for n in 0..5 {
        site.put("attic.t", 1_700_000_001_000 + n, n as f64).await;
    }
    for n in 0..5 {
        let live = client.hear_type("readings").await;
        assert_eq!(live["readings"][0]["value"], n as f64);
        assert!(live["at"].is_string());
    }
    let edit = json!({"name": "Attic"});
    site.send(Method::PATCH, "/api/v1/devices/attic", edit).await.ok(200);
    let device = client.hear_type("device").await;
    assert_eq!(device["device"]["name"], "Attic");
    site.ask(Method::DELETE, "/api/v1/devices/attic").await;
    assert_eq!(client.hear_type("gone").await["device_id"], "attic");
    client.say(json!({"type": "unsubscribe", "id": 7})).await;
    client.say(json!({"type": "ping"})).await;
    client.hear_type("pong").await;
    site.put("cellar.t", 1_700_000_002_000, 3.0).await;
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await.unwrap()["type"], "pong");
    site.running.stop().await;
}

#[tokio::test]
async fn filters_of_devices_sensors_and_states_hold() {
    let site = Site::start().await;
    for sensor in ["a.t", "a.h", "b.t"] {
        site.put(sensor, 1_700_000_000_000, 0.0).await;
    }
    let mut client = Client::signed_in(&site).await;
    client.say(json!({"type": "subscribe", "id": 1, "sensors": ["a.t"]})).await;
    let snapshot = client.hear().await.unwrap();
    assert_eq!(snapshot["devices"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["readings"].as_array().unwrap().len(), 1);
    client.say(json!({"type": "subscribe", "id": 2, "devices": ["b"], "readings": false})).await;
    let states = client.hear().await.unwrap();
    assert_eq!(states["readings"], json!([]));
    for (n, sensor) in ["a.h", "b.t", "a.t"].iter().enumerate() {
        site.put(sensor, 1_700_000_001_000, n as f64).await;
    }
    let live = client.hear_type("readings").await;
    assert_eq!(live["readings"][0]["key"], "t");
    assert_eq!(live["readings"][0]["value"], 2.0);
    site.send(Method::PATCH, "/api/v1/devices/b", json!({"area": "x"})).await.ok(200);
    assert_eq!(client.hear_type("device").await["device"]["device_id"], "b");
    site.running.stop().await;
}

#[tokio::test]
async fn a_reconnect_gets_what_it_missed_and_an_old_position_a_snapshot() {
    let site = Site::start().await;
    site.put("a.t", 1_700_000_000_000, 0.0).await;
    let mut client = Client::signed_in(&site).await;
    client.say(all(1)).await;
    let at = client.hear().await.unwrap()["at"].clone();
    drop(client);
    for n in 1..=20 {
        site.put("a.t", 1_700_000_000_000 + n, n as f64).await;
    }
    let mut client = Client::signed_in(&site).await;
    client.say(json!({"type": "subscribe", "id": 2, "devices": ["*"], "since": at})).await;
    assert_eq!(client.hear().await.unwrap(), json!({"type": "resumed", "id": 2}));
    let mut missed = Vec::new();
    while missed.len() < 20 {
        let live = client.hear_type("readings").await;
        missed.extend(live["readings"].as_array().unwrap().iter().map(|r| r["value"].as_f64()));
    }
    assert_eq!(missed, (1..=20).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    // A second subscription of the same socket catches up by itself.
    client.say(json!({"type": "subscribe", "id": 3, "sensors": ["a.t"], "since": at})).await;
    assert_eq!(client.hear().await.unwrap()["type"], "resumed");
    assert_eq!(client.hear_type("readings").await["readings"][0]["value"], 1.0);
    for bad in ["nonsense", "0000000000000001-1", "ffffffffffffffff-99999"] {
        let mut client = Client::signed_in(&site).await;
        client.say(json!({"type": "subscribe", "id": 4, "devices": ["*"], "since": bad})).await;
        assert_eq!(client.hear().await.unwrap()["type"], "snapshot", "{bad}");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn commands_and_mistakes_are_answered_by_their_id() {
    let site = Site::start().await;
    let mut client = Client::signed_in(&site).await;
    let command = |id: u64, level: Json| {
        json!({"type": "command", "id": id, "device_id": "pump", "name": "set_level",
               "params": {"level": level}, "command_id": format!("ws-{id}")})
    };
    client.say(command(1, json!(5))).await;
    let outcome = client.hear().await.unwrap();
    assert_eq!((&outcome["type"], &outcome["id"]), (&json!("outcome"), &json!(1)));
    assert_eq!(outcome["command"]["state"], "done");
    assert_eq!(outcome["command"]["id"], "ws-1");
    let mistakes = [
        (command(2, json!("x")), 422, Some(2)),
        (json!({"type": "command", "id": 3, "device_id": "nobody", "name": "x"}), 404, Some(3)),
        (json!({"type": "subscribe", "id": 4}), 422, Some(4)),
        (json!({"type": "subscribe", "id": 5, "devices": ["+/#"]}), 422, Some(5)),
        (json!({"type": "subscribe", "devices": ["*"]}), 422, None),
        (json!({"type": "dance", "id": 6}), 422, Some(6)),
        (json!([1, 2]), 422, None),
        (json!({"type": "auth", "token": "x"}), 409, None),
    ];
    for (said, status, id) in mistakes {
        client.say(said.clone()).await;
        let error = client.hear().await.unwrap();
        assert_eq!(error["type"], "error", "{said}");
        assert_eq!(error["problem"]["status"], status, "{said}: {error}");
        assert_eq!(error["id"].as_u64(), id, "{said}");
    }
    client.0.send(Message::text("{")).await.unwrap();
    assert_eq!(client.hear().await.unwrap()["problem"]["status"], 400);
    client.0.send(Message::binary(vec![0_u8; 4])).await.unwrap();
    assert_eq!(client.hear().await, Err(1003));
    site.running.stop().await;
}

#[tokio::test]
async fn roles_scopes_and_revocation_hold_on_open_sockets() {
    let site = Site::start().await;
    site.put("own.t", 1_700_000_000_000, 1.0).await;
    site.put("other.t", 1_700_000_000_000, 2.0).await;
    let own = DeviceId::parse("own").unwrap();
    let token = site.token(Role::Viewer, Scope::Devices(vec![own])).await;
    let bearer = format!("Bearer {token}");
    let mut client = Client::open(&site, &[("Authorization", &bearer)]).await.unwrap();
    client.say(all(1)).await;
    let snapshot = client.hear().await.unwrap();
    assert_eq!(snapshot["devices"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["readings"].as_array().unwrap().len(), 1);
    client.say(json!({"type": "subscribe", "id": 2, "devices": ["other"]})).await;
    assert_eq!(client.hear().await.unwrap()["problem"]["status"], 403);
    client.say(json!({"type": "command", "id": 3, "device_id": "own", "name": "x"})).await;
    assert_eq!(client.hear().await.unwrap()["problem"]["status"], 403);
    site.put("other.t", 1_700_000_001_000, 2.0).await;
    site.put("own.t", 1_700_000_001_000, 3.0).await;
    assert_eq!(client.hear_type("readings").await["readings"][0]["device_id"], "own");
    let hash = TokenSecret::given(&token).hash();
    site.running.revoke(&Principal::local(), &hash).await.unwrap();
    assert_eq!(client.hear().await, Err(4401));
    site.running.stop().await;
}

#[tokio::test]
async fn a_quiet_socket_hears_pings_and_the_end_of_the_gateway() {
    let site = Site::start().await;
    let mut client = Client::signed_in(&site).await;
    let began = Instant::now();
    let first = tokio::time::timeout(Duration::from_secs(3), client.0.next()).await.unwrap();
    assert!(matches!(first, Some(Ok(Message::Ping(_)))), "{first:?}");
    assert!(began.elapsed() < Duration::from_millis(2_900), "before a proxy's 3 s");
    let stopping = iot_core::task::spawn(site.running.stop());
    assert_eq!(client.hear().await, Err(1001));
    drop(client);
    tokio::time::timeout(Duration::from_secs(4), stopping).await.unwrap().unwrap();
}

/// From `submit` to ten sockets at 200 a second: the figure of the interface's promise "at once".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_reach_ten_sockets_at_once() {
    let site = Site::start().await;
    site.put("a.t", 1_600_000_000_000, 0.0).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::signed_in(&site).await;
        client.say(all(1)).await;
        client.hear_type("snapshot").await;
        clients.push(client);
    }
    const COUNT: usize = 200;
    let began = Instant::now();
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            iot_core::task::spawn(async move {
                let mut heard = Vec::with_capacity(COUNT);
                while heard.len() < COUNT {
                    let live = client.hear_type("readings").await;
                    let now = began.elapsed();
                    for reading in live["readings"].as_array().unwrap() {
                        let sent = reading["value"].as_f64().unwrap();
                        heard.push(now.as_secs_f64() * 1e3 - sent);
                    }
                }
                heard
            })
        })
        .collect();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let device = DeviceId::parse("a").unwrap();
    let key = iot_core::domain::SensorKey::parse("t").unwrap();
    let mut submitted = tokio::task::JoinSet::new();
    for _ in 0..COUNT {
        ticks.tick().await;
        let mut batch = iot_core::domain::Batch::new();
        batch.push(&device, &key, began.elapsed().as_secs_f64() * 1e3);
        let gateway = site.running.handle();
        submitted.spawn(async move { gateway.submit(batch).await.map(|_| ()) });
    }
    let mut all = Vec::new();
    for reader in readers {
        all.extend(reader.await.unwrap());
    }
    all.sort_by(f64::total_cmp);
    let (p50, p99) = (all[all.len() / 2], all[all.len() * 99 / 100]);
    println!("submit to socket: p50 {p50:.3} ms, p99 {p99:.3} ms over {} deliveries", all.len());
    assert!(p50 < 50.0, "p50 {p50} ms");
    site.running.stop().await;
}

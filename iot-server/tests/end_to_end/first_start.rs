//! The first start: the printed link opens the gateway, and REST, WebSocket and SQL tell the same
//! readings.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use iot_testkit::servers::http::Request;
use iot_testkit::servers::{IotServer, Mosquitto};
use iot_testkit::wait::{until, until_blocking};
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::mqtt_window::Window;
use crate::sql;

/// For how long readings are compared.
const SPAN_MS: i64 = 5_000;
/// What is older than this is the same in every window.
const SETTLED_MS: i64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Device, key, milliseconds; and the value in one spelling.
type Readings = BTreeMap<(String, String, i64), String>;

/// A value in one spelling: SQL knows no booleans.
fn spelled(value: &Json) -> String {
    match value {
        Json::Bool(bool) => format!("{:?}", f64::from(u8::from(*bool))),
        Json::Number(number) => format!("{:?}", number.as_f64().unwrap()),
        other => other.to_string(),
    }
}

fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("{name} in {json}")).to_owned()
}

/// Trades the link's token for a session's cookie.
fn sign_in(server: &IotServer) -> String {
    let link = server.sign_in_link().unwrap();
    let token = link.split_once("#token=").unwrap().1;
    let session = Request::new("POST", "/api/v1/session")
        .json(&json!({"token": token}))
        .send(server.address());
    let session = session.unwrap();
    assert!((200..300).contains(&session.status), "{session:?}");
    let again = Request::new("POST", "/api/v1/session").json(&json!({"token": token}));
    assert_eq!(again.send(server.address()).unwrap().status, 401, "a link opens once");
    let cookie = session.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn get(server: &IotServer, cookie: &str, path: &str) -> Json {
    let answer = Request::new("GET", path).header("Cookie", cookie).send(server.address()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_window_tells_the_same_readings() {
    let outside = Mosquitto::builder().start().unwrap();
    let link = format!("[[mqtt.link]]\nname = \"up\"\nurl = \"mqtt://{}\"\n", outside.address());
    let server = IotServer::builder(crate::SERVER).config(link).mqtt().start().unwrap();
    let cookie = sign_in(&server);
    assert_eq!(server.get("/api/v1/devices").unwrap().status, 401);
    let windows = [
        ("the embedded broker", Window::open(server.mqtt_address().unwrap()).await),
        ("mosquitto", Window::open(outside.address()).await),
    ];

    let (from, to, live) = live(&server, &cookie).await;
    assert!(live.len() > 20, "the host gave {} readings in {SPAN_MS} ms", live.len());

    let data = server.data_dir();
    let stored = until("the database holds the last second", PATIENCE, async || {
        let newest = sql::number(&data, "select coalesce(max(ts), 0) from device_data")?;
        let newest = i64::try_from(newest / 1_000).unwrap();
        if newest >= to { Ok(stored(&data, from, to)) } else { Err(format!("{newest}")) }
    })
    .await;
    let asked = asked(&server, &cookie, from, to);
    same("WebSocket", &live, "SQL", &stored);
    same("REST", &asked, "SQL", &stored);
    for (name, window) in windows {
        let heard = until(name, PATIENCE, async || window.heard(from, to)).await;
        let heard = heard.into_iter().map(|(key, value)| (key, spelled(&value))).collect();
        same(name, &heard, "SQL", &stored);
    }
}

#[track_caller]
fn same(one: &str, left: &Readings, other: &str, right: &Readings) {
    let only = |a: &Readings, b: &Readings| -> Vec<String> {
        let differs = |(key, value): &(&_, &String)| b.get(*key) != Some(*value);
        a.iter().filter(differs).take(5).map(|reading| format!("{reading:?}")).collect()
    };
    let (left_only, right_only) = (only(left, right), only(right, left));
    assert!(
        left_only.is_empty() && right_only.is_empty(),
        "{one} alone ({} readings): {left_only:#?}\n{other} alone ({}): {right_only:#?}",
        left.len(),
        right.len()
    );
}

/// Readings of the WebSocket from its first message on, the time they span, and that are settled.
async fn live(server: &IotServer, cookie: &str) -> (i64, i64, Readings) {
    let address = format!("ws://{}/api/v1/ws", server.address());
    let mut request = address.into_client_request().unwrap();
    request.headers_mut().insert("Cookie", cookie.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({"type": "subscribe", "id": 1, "devices": ["*"]});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();

    let mut all = Readings::new();
    let mut first = None;
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("readings come");
        let Message::Text(message) = message.unwrap().unwrap() else { continue };
        let message: Json = serde_json::from_str(&message).unwrap();
        match message["type"].as_str() {
            Some("readings") => {}
            Some("lagged" | "error") => panic!("{message}"),
            _ => continue,
        }
        for reading in message["readings"].as_array().unwrap() {
            let ts = reading["ts"].as_i64().unwrap();
            let key = (text(reading, "device_id"), text(reading, "key"), ts);
            all.insert(key, spelled(&reading["value"]));
        }
        let newest = all.keys().map(|key| key.2).max().unwrap();
        // What came before the first whole instant is not compared.
        let from = *first.get_or_insert(newest + 1);
        if newest >= from + SPAN_MS + SETTLED_MS {
            let to = from + SPAN_MS;
            all.retain(|key, _| (from..to).contains(&key.2));
            return (from, to, all);
        }
    }
}

fn stored(data: &Path, from: i64, to: i64) -> Readings {
    let query = format!(
        "select device_id, key, ts, value is null as missing, typeof(value) as type, \
         case typeof(value) when 'text' then value else printf('%!.17g', value) end as value \
         from device_data where ts >= {} and ts < {}",
        from * 1_000,
        to * 1_000
    );
    sql::rows(data, &query)
        .unwrap()
        .iter()
        .map(|row| {
            let us = row["ts"].as_i64().unwrap();
            assert_eq!(us % 1_000, 0, "the gateway's own times are whole milliseconds: {row}");
            let value = match row["type"].as_str().unwrap() {
                "null" => Json::Null,
                "text" => row["value"].clone(),
                _ => json!(text(row, "value").parse::<f64>().unwrap()),
            };
            ((text(row, "device_id"), text(row, "key"), us / 1_000), spelled(&value))
        })
        .collect()
}

fn asked(server: &IotServer, cookie: &str, from: i64, to: i64) -> Readings {
    let mut readings = Readings::new();
    let devices = get(server, cookie, "/api/v1/devices");
    for device in devices["items"].as_array().unwrap() {
        for sensor in device["sensors"].as_array().unwrap() {
            let id = text(sensor, "sensor_id");
            let path = format!("/api/v1/sensors/{id}/data?from={from}&to={to}&raw=1");
            let data = get(server, cookie, &path);
            assert_eq!(data["kind"], "raw", "{data}");
            let times = data["t"].as_array().unwrap().iter();
            for (ts, value) in times.zip(data["v"].as_array().unwrap()) {
                let key = (text(device, "device_id"), text(sensor, "key"), ts.as_i64().unwrap());
                readings.insert(key, spelled(value));
            }
        }
    }
    readings
}

#[test]
fn a_link_is_printed_at_each_start_and_by_the_command() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let first = server.sign_in_link().unwrap();
    server.restart().unwrap();
    let second = server.sign_in_link().unwrap();
    assert_ne!(first, second);
    let said = crate::command::run(server.folder(), &["token", "link", "--data", "data"]);
    assert!(said.printed().starts_with(&format!("{}/#token=", server.base_url())), "{said:?}");
    assert!(said.err.is_empty(), "{said:?}");
}

#[test]
fn the_admin_token_is_private_works_and_is_not_made_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let token = server.admin_token().unwrap();
    let file = server.data_dir().join("admin-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let socket = std::fs::metadata(server.data_dir().join("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let ask = |server: &IotServer| {
        Request::new("GET", "/api/v1/settings")
            .bearer(&token)
            .send(server.address())
            .unwrap()
            .status
    };
    assert_eq!(ask(&server), 200);

    let cli = |server: &IotServer, args: &[&str]| {
        crate::command::run(server.folder(), &[args, &["--data", "data"]].concat())
    };
    cli(&server, &["token", "create", "ci", "--role", "viewer"]).printed();
    assert_eq!(cli(&server, &["token", "revoke", "ci"]).printed(), "ci is revoked");
    assert!(file.exists(), "another token's end is none of the file's");
    let dead = "was revoked and opens nothing";
    server.restart().unwrap();
    assert!(!server.stderr().contains(dead), "{}", server.stderr());

    let revoked = cli(&server, &["token", "revoke", "admin"]);
    assert!(revoked.printed().starts_with("admin is revoked\n"), "{revoked:?}");
    assert_eq!(ask(&server), 401);
    assert!(!file.exists(), "{revoked:?}");
    server.restart().unwrap();
    assert!(!file.exists(), "a revoked token is not made again");

    // As when it was revoked over the API, which leaves the file alone.
    std::fs::write(&file, format!("{token}\n")).unwrap();
    server.restart().unwrap();
    let log = server.stderr();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(dead)).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains("token create NAME --role admin"), "{log}");
}

#[test]
fn the_host_is_made_at_the_first_start_alone() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let token = server.admin_token().unwrap();
    for _ in 0..2 {
        let instances = until_blocking("the host runs", PATIENCE, || {
            let list = Request::new("GET", "/api/v1/instances").bearer(&token);
            let list = list.send(server.address()).unwrap().json().unwrap()["items"].clone();
            if list[0]["state"] == "running" { Ok(list) } else { Err(list) }
        });
        assert_eq!(
            (&instances[0]["name"], &instances[0]["origin"]),
            (&json!("host"), &json!("api"))
        );
        assert_eq!(instances.as_array().unwrap().len(), 1, "{instances}");
        server.restart().unwrap();
    }
}

#[test]
fn a_host_of_the_file_stands_in_for_the_first_one() {
    let config = "[[instance]]\nname = \"box\"\nkind = \"host\"\n";
    let server = IotServer::builder(crate::SERVER).config(config).start().unwrap();
    let list = Request::new("GET", "/api/v1/instances").bearer(&server.admin_token().unwrap());
    let list = list.send(server.address()).unwrap().json().unwrap()["items"].clone();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, [json!("box")], "{list}");
}

//! Commands from end to end: into the gateway and out of it, by either broker and by REST, each with
//! exactly one outcome.

use std::net::SocketAddr;
use std::time::Duration;

use iot_testkit::mqtt::{Client, Connect, Message, Properties, QoS};
use iot_testkit::servers::http::Request;
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use super::site::{PATIENCE, Site, broker, listener, next_on};

/// Long enough that a second answer would have come.
const SILENCE: Duration = Duration::from_millis(700);

fn json(message: &Message) -> Json {
    serde_json::from_slice(&message.payload).unwrap()
}

impl Site {
    /// The device of the instance that comes with the program.
    async fn host(&self) -> String {
        until("the host's device is there", PATIENCE, async || {
            let devices = self.get("devices");
            let host = devices["items"].as_array().unwrap().iter();
            let host = host.clone().find(|device| device["home"] == "instance:host");
            host.map(|device| device["device_id"].as_str().unwrap().to_owned()).ok_or(devices)
        })
        .await
    }

    /// Asks by REST, without waiting for the end; the command's id.
    fn ask(&self, device: &str, body: &Json) -> String {
        let path = format!("/api/v1/devices/{device}/commands");
        let answer = self.send(Request::new("POST", &path).json(body));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json().unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a command is over.
    async fn over(&self, id: &str) -> Json {
        until("the command is over", PATIENCE, async || {
            let command = self.get(&format!("commands/{id}"));
            match command["state"].as_str() {
                Some("queued" | "sent") => Err(command),
                _ => Ok(command),
            }
        })
        .await
    }
}

fn set_interval(id: &str, ms: u64) -> String {
    json!({"id": id, "name": "set_interval", "params": {"interval_ms": ms}}).to_string()
}

/// Asks the host's plugin through a broker and hears the outcome there, once on each topic.
async fn asks_the_host(site: &Site, broker: SocketAddr) {
    let host = site.host().await;
    let (commands, results) =
        (format!("devices/{host}/commands"), format!("devices/{host}/commands/result"));
    let mut client = listener(broker, "asker", &results).await;
    client.subscribe("replies/+", QoS::AtLeastOnce).await.unwrap();
    for (id, ms, outcome) in [("good", 500, "done"), ("bad", 1, "refused")] {
        let ask = Message::new(commands.as_str(), set_interval(id, ms)).properties(Properties {
            response_topic: Some(format!("replies/{id}").into()),
            correlation_data: Some(id.as_bytes().to_vec().into()),
            ..Properties::default()
        });
        client.publish(ask).await.unwrap();
        let mut heard =
            [client.expect_message().await.unwrap(), client.expect_message().await.unwrap()];
        heard.sort_by(|a, b| a.topic.cmp(&b.topic));
        let [result, reply] = heard;
        assert_eq!((&*result.topic, &*reply.topic), (&*results, &*format!("replies/{id}")));
        assert_eq!(reply.properties.correlation_data.as_deref(), Some(id.as_bytes()));
        for message in [&result, &reply] {
            let answer = json(message);
            assert_eq!(
                (&answer["id"], &answer["outcome"]),
                (&json!(id), &json!(outcome)),
                "{answer}"
            );
        }
        assert_eq!(client.message_within(SILENCE).await.unwrap(), None, "one outcome");
        if outcome == "done" {
            assert_eq!(site.get(&format!("commands/{id}"))["state"], "done");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_at_the_embedded_broker_reaches_a_plugin_and_its_outcome_comes_back_once() {
    let site = Site::start("");
    asks_the_host(&site, site.mqtt()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_at_an_outside_broker_reaches_a_plugin_and_its_outcome_comes_back_once() {
    let outside = broker();
    let site = Site::linked(outside.address(), "commands = true");
    site.stands("live").await;
    asks_the_host(&site, outside.address()).await;
}

/// Has a device that lives at `broker` carry out commands of REST, fail, and stay silent.
async fn device_answers(site: &Site, broker: SocketAddr) {
    let (commands, results) = ("devices/lamp/commands", "devices/lamp/commands/result");
    let mut lamp = listener(broker, "lamp", commands).await;
    until("the lamp is known", PATIENCE, async || {
        // A link may not have subscribed yet: the lamp speaks until it is heard.
        lamp.publish_and_wait(Message::new("devices/lamp/data", r#"{"on":false}"#)).await.unwrap();
        site.latest("lamp", "on").is_some()
    })
    .await;
    for (answer, state) in [
        (json!({"outcome": "done", "result": {"on": true}}), "done"),
        (json!({"outcome": "failed", "error": "the bulb is broken"}), "failed"),
        (json!({"outcome": "refused", "error": "it is locked"}), "refused"),
    ] {
        let id = site.ask("lamp", &json!({"name": "set", "params": {"on": true}}));
        let command = json(&next_on(&mut lamp, commands).await);
        assert_eq!((&command["id"], &command["name"]), (&json!(id), &json!("set")), "{command}");
        assert_eq!(command["params"], json!({"on": true}));
        let mut answer = answer.clone();
        answer["id"] = json!(id);
        lamp.publish_and_wait(Message::new(results, answer.to_string())).await.unwrap();
        let over = site.over(&id).await;
        assert_eq!(over["state"], state, "{over}");
        for field in ["result", "error"].into_iter().filter(|field| !answer[field].is_null()) {
            assert_eq!(over[field], answer[field], "{over}");
        }
        // Another answer changes nothing, whoever gives it.
        let again = json!({"id": id, "outcome": "failed", "error": "again"}).to_string();
        lamp.publish_and_wait(Message::new(results, again)).await.unwrap();
        lamp.ping().await.unwrap();
        assert_eq!(site.get(&format!("commands/{id}")), over);
    }

    let id = site.ask("lamp", &json!({"name": "set", "timeout_ms": 500}));
    next_on(&mut lamp, commands).await;
    let over = site.over(&id).await;
    assert_eq!(
        (&over["state"], &over["may_have_run"]),
        (&json!("timed_out"), &json!(true)),
        "{over}"
    );
    let late = json!({"id": id, "outcome": "done"}).to_string();
    lamp.publish_and_wait(Message::new(results, late)).await.unwrap();
    lamp.ping().await.unwrap();
    assert_eq!(site.get(&format!("commands/{id}")), over, "it came too late");
    assert_eq!(lamp.message_within(SILENCE).await.unwrap(), None, "no command came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_at_the_embedded_broker_carries_out_commands_of_rest() {
    let site = Site::start("");
    device_answers(&site, site.mqtt()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_at_an_outside_broker_carries_out_commands_of_rest() {
    let outside = broker();
    let site = Site::linked(outside.address(), "ingest = [\"devices/+/data\"]");
    site.stands("live").await;
    device_answers(&site, outside.address()).await;
}

/// A lamp at the embedded broker counts how often each command reaches it.
async fn lamp(site: &Site) -> Client {
    let mut lamp = site.client("lamp").await;
    lamp.subscribe("devices/lamp/commands", QoS::AtLeastOnce).await.unwrap();
    lamp.publish_and_wait(Message::new("devices/lamp/data", r#"{"on":false}"#)).await.unwrap();
    until("the lamp is known", PATIENCE, async || site.latest("lamp", "on").is_some()).await;
    lamp
}

/// A command of this id reaches the lamp once, though it is published thrice, once as a repeat.
async fn runs_once(site: &Site, lamp: &mut Client, sender: &mut Client, id: &str) {
    let payload = json!({"id": id, "name": "set"}).to_string();
    let message = Message::new("devices/lamp/commands", payload);
    for dup in [false, true, false] {
        sender.publish_and_wait(Message { dup, ..message.clone() }).await.unwrap();
    }
    let ran = lamp.expect_message().await.unwrap_or_else(|error| {
        let command = site.send(Request::new("GET", &format!("/api/v1/commands/{id}")));
        let (ledger, log) = (site.ledger(), site.server.stderr());
        panic!("{id}: {error}; {}; {ledger}; {log}", command.text())
    });
    assert_eq!(json(&ran)["id"], id);
    let done = json!({"id": id, "outcome": "done"}).to_string();
    lamp.publish_and_wait(Message::new("devices/lamp/commands/result", done)).await.unwrap();
}

/// A command that a broker keeps.
fn ghost() -> Message {
    let ghost = json!({"id": "ghost", "name": "set"}).to_string();
    Message::new("devices/lamp/commands", ghost).retained()
}

async fn m13(site: &mut Site, outside: Option<SocketAddr>) {
    let at = |site: &Site| outside.unwrap_or_else(|| site.mqtt());
    let restarts = if crate::long() { 100 } else { 3 };
    let mut ids: Vec<String> = Vec::new();
    for n in 0..=restarts {
        if n > 0 {
            site.server.restart().unwrap();
        }
        if outside.is_some() {
            site.stands("live").await;
        }
        let mut lamp = lamp(site).await;
        let mut sender = Connect::v5("sender").open(at(site)).await.unwrap();
        // Over a link too, where MQTT 5 tells it from others to those who were there.
        sender.publish_and_wait(ghost()).await.unwrap();
        // What ran in an earlier life is told again.
        for id in &ids {
            let payload = json!({"id": id, "name": "set"}).to_string();
            let again = Message::new("devices/lamp/commands", payload);
            sender.publish_and_wait(Message { dup: true, ..again }).await.unwrap();
        }
        let id = format!("c{n}");
        runs_once(site, &mut lamp, &mut sender, &id).await;
        let second = lamp.message_within(SILENCE).await.unwrap();
        assert_eq!(second, None, "restart {n}: it ran again, or the retained one did");
        assert_eq!(site.over(&id).await["state"], "done");
        ids.push(id);
    }
    let ghost = site.send(Request::new("GET", "/api/v1/commands/ghost"));
    assert_eq!(ghost.status, 404, "{}", ghost.text());
    assert!(site.refused("retained") > 0, "{}", site.ledger());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m13_a_command_at_the_embedded_broker_runs_once_and_never_from_a_retained_message() {
    m13(&mut Site::start(""), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m13_a_command_at_an_outside_broker_runs_once_and_never_from_a_retained_message() {
    let outside = broker();
    // Kept there, it comes anew with each subscription.
    let mut keeper = Connect::v5("keeper").open(outside.address()).await.unwrap();
    keeper.publish_and_wait(ghost()).await.unwrap();
    // The lamp is not the link's, so that the gateway stands between it and the sender.
    let mut site = Site::linked(outside.address(), "commands = true");
    m13(&mut site, Some(outside.address())).await;
}

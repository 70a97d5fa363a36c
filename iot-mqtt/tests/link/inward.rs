//! What a link takes in.

use std::time::Duration;

use bytes::Bytes;
use iot_core::domain::{CommandRequest, CommandState, DeviceState, Home, Principal, SensorId};
use iot_core::port::LinkState;
use iot_testkit::mqtt::{Connect, Message, Properties, QoS, Version};
use iot_testkit::servers::Proxy;
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use super::kit::{Rig, VERSIONS, WITHIN, broker, device, next_on};

fn ingest(word: &str) -> Json {
    json!({"version": word, "ingest": ["devices/+/data"], "commands": true})
}

/// How many readings of the cellar are stored.
fn found(rig: &Rig) -> usize {
    let sensor = rig.gateway.sensor(&SensorId::parse("cellar.t").unwrap());
    let sensor = sensor.map(|view| view.sensor.no);
    rig.store.logged().iter().filter(|logged| Some(logged.sensor) == sensor).count()
}

async fn stored(rig: &Rig, readings: usize) {
    until(&format!("{readings} readings are stored"), WITHIN, async || {
        let found = found(rig);
        if found == readings { Ok(()) } else { Err(format!("{found}")) }
    })
    .await;
}

/// Where no message may be lost, the link must have subscribed before.
async fn subscribed(rig: &Rig, other: &mut iot_testkit::mqtt::Client) {
    until("the link hears", WITHIN, async || {
        other
            .publish(Message::new("devices/probe/data", r#"{"ts":1767225600000,"p":1}"#))
            .await
            .unwrap();
        rig.gateway.device(&device("probe")).is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_come_in_once_and_are_not_sent_back() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let rig = Rig::start(&format!("in-{word}"), broker.address(), ingest(word)).await;
        let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
        subscribed(&rig, &mut other).await;
        for n in 0..300 {
            let payload = format!(r#"{{"ts":{},"t":{n}}}"#, 1_767_225_600_000_i64 + n);
            other.publish(Message::new("devices/cellar/data", payload)).await.unwrap();
        }
        stored(&rig, 300).await;
        let view = rig.gateway.device(&device("cellar")).unwrap();
        assert_eq!(view.device.home, Home::Link("up".to_owned()));
        let view = rig.settled().await;
        assert_eq!(view.acknowledged, 0, "nothing goes back to where it came from");
        other.publish(Message::new("devices/cellar/status", "offline")).await.unwrap();
        until("its state is heard", WITHIN, async || {
            rig.gateway.device(&device("cellar")).unwrap().state == DeviceState::Offline
        })
        .await;
        // The gateway's own device comes back as well, and is no reading.
        rig.submit("attic", 0, 5).await;
        rig.settled().await;
        assert_eq!(found(&rig), 300);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_link_was_away_is_taken_in_when_it_is_back() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let proxy = Proxy::start(broker.address()).unwrap();
        let rig = Rig::start(&format!("away-{word}"), proxy.address(), ingest(word)).await;
        let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
        subscribed(&rig, &mut other).await;
        proxy.refuse().unwrap();
        proxy.cut();
        rig.stands(LinkState::BackingOff).await;
        for n in 0..50 {
            let payload = format!(r#"{{"ts":{},"t":{n}}}"#, 1_767_225_600_000_i64 + n);
            other.publish_and_wait(Message::new("devices/cellar/data", payload)).await.unwrap();
        }
        proxy.accept().unwrap();
        stored(&rig, 50).await;
        // And publishing goes on in the session that was resumed.
        rig.submit("attic", 0, 500).await;
        assert_eq!(rig.settled().await.acknowledged, 500);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_large_retained_messages_are_dropped_and_do_not_cost_the_connection() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
        for (n, size) in [11 << 10, 1 << 20, 10 << 20].into_iter().enumerate() {
            let topic = format!("devices/big{n}/data");
            let message = Message::new(topic, vec![b'x'; size]).retained();
            other.publish_and_wait(message).await.unwrap();
        }
        let proxy = Proxy::start(broker.address()).unwrap();
        let rig = Rig::start(&format!("m6-{word}"), proxy.address(), ingest(word)).await;
        subscribed(&rig, &mut other).await;
        other.publish(Message::new("devices/cellar/data", r#"{"t":1}"#)).await.unwrap();
        until("the next message is taken in", WITHIN, async || {
            rig.gateway.device(&device("cellar")).is_some()
        })
        .await;
        let large = Message::new("devices/cellar/data", vec![b'x'; 3 << 20]);
        other.publish_and_wait(large).await.unwrap();
        other.publish(Message::new("devices/last/data", r#"{"t":1}"#)).await.unwrap();
        until("and the one after it", WITHIN, async || {
            rig.gateway.device(&device("last")).is_some()
        })
        .await;
        assert_eq!(proxy.connections(), 1);
        assert_eq!(rig.view().state, LinkState::Live);
        let refused = rig.gateway.refused();
        assert!(!refused.is_empty());
        if version == Version::V3 {
            assert!(refused.iter().any(|r| format!("{r:?}").contains("Oversized")), "{refused:?}");
        }
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m7_m8_m9_poison_stalls_nobody() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let proxy = Proxy::start(broker.address()).unwrap();
        let mut table = ingest(word);
        table["ingest"] = json!(["#"]);
        let rig = Rig::start(&format!("m7-{word}"), proxy.address(), table).await;
        let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
        subscribed(&rig, &mut other).await;
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let payloads: [&[u8]; 8] = [
            b"",
            b"\xff\xfe\x00",
            b"{\"t\":NaN}",
            b"{\"t\":1e999}",
            nested.as_bytes(),
            b"\x1f\x8b\x08\x00",
            b"{\"t\":1",
            b"\"t\"",
        ];
        for n in 0..400 {
            let payload = Bytes::copy_from_slice(payloads[n % payloads.len()]);
            let topic = match n % 4 {
                0 => "devices/cellar/data",
                1 => "devices/датчик/data",
                2 => "датчик/1",
                _ => "devices/a b/data",
            };
            other.publish(Message::new(topic, payload)).await.unwrap();
        }
        other.publish(Message::new("devices/cellar/data", r#"{"t":1}"#)).await.unwrap();
        until("the good one after them is taken in", WITHIN, async || {
            let refused = rig.gateway.refused();
            match rig.gateway.device(&device("cellar")) {
                Some(_) => Ok(()),
                None => Err(format!("{:?} {} {:?}", rig.view(), refused.len(), refused.first())),
            }
        })
        .await;
        assert_eq!(proxy.connections(), 1);
        assert!(rig.gateway.refused().len() >= 50);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_on_the_other_side_is_sent_commands_and_answers_them() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let rig = Rig::start(&format!("far-{word}"), broker.address(), ingest(word)).await;
        let mut far = Connect::new(version, "far").open(broker.address()).await.unwrap();
        far.subscribe("devices/cellar/commands", QoS::AtLeastOnce).await.unwrap();
        subscribed(&rig, &mut far).await;
        far.publish(Message::new("devices/cellar/data", r#"{"t":1}"#)).await.unwrap();
        until("it is known", WITHIN, async || rig.gateway.device(&device("cellar")).is_some())
            .await;
        let request = CommandRequest {
            id: None,
            device: device("cellar"),
            name: "set".to_owned(),
            params: json!({"on": true}),
            timeout: Some(Duration::from_secs(20)),
        };
        let record = rig.gateway.command(&Principal::local(), request.clone()).await.unwrap();
        let command = next_on(&mut far, "devices/cellar/commands").await;
        let command: Json = serde_json::from_slice(&command.payload).unwrap();
        assert_eq!(command["id"], record.id.as_str());
        assert_eq!((&command["name"], &command["params"]), (&json!("set"), &json!({"on": true})));
        let answer = json!({"id": record.id.as_str(), "outcome": "done", "result": 7}).to_string();
        far.publish(Message::new("devices/cellar/commands/result", answer)).await.unwrap();
        let over = rig.gateway.command_over(&record.id).await.unwrap();
        assert_eq!((over.state, over.result), (CommandState::Done, Some(json!(7))));
        let late = CommandRequest { timeout: Some(Duration::from_millis(300)), ..request };
        let record = rig.gateway.command(&Principal::local(), late).await.unwrap();
        let over = rig.gateway.command_over(&record.id).await.unwrap();
        assert_eq!((over.state, over.may_have_run), (CommandState::TimedOut, true));
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m13_a_command_is_run_once_and_never_from_a_retained_message() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
        other.subscribe("devices/attic/commands/result", QoS::AtLeastOnce).await.unwrap();
        other.subscribe("replies/7", QoS::AtLeastOnce).await.unwrap();
        let ghost = Message::new("devices/attic/commands", r#"{"id":"ghost","name":"set"}"#);
        other.publish_and_wait(ghost.retained()).await.unwrap();
        let table = json!({"version": word, "commands": true});
        let rig = Rig::start(&format!("m13-{word}"), broker.address(), table).await;
        rig.submit("attic", 0, 1).await;
        until("the retained one is refused", WITHIN, async || !rig.gateway.refused().is_empty())
            .await;
        let mut message =
            Message::new("devices/attic/commands", r#"{"id":"one","name":"set","params":{}}"#);
        if version == Version::V5 {
            message = message.properties(Properties {
                response_topic: Some("replies/7".into()),
                correlation_data: Some(Bytes::from_static(b"xyz")),
                ..Properties::default()
            });
        }
        // The device takes no command of that name, so each is refused; by its words, once a time.
        for _ in 0..3 {
            other.publish(message.clone()).await.unwrap();
            let answer = next_on(&mut other, "devices/attic/commands/result").await;
            let answer: Json = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!((&answer["id"], &answer["outcome"]), (&json!("one"), &json!("refused")));
            if version == Version::V5 {
                let reply = next_on(&mut other, "replies/7").await;
                assert_eq!(reply.properties.correlation_data.as_deref(), Some(&b"xyz"[..]));
            }
        }
        let ran = rig.store.commands();
        assert!(ran.iter().all(|record| record.id.as_str() != "ghost"), "{ran:?}");
        rig.stop().await;
    }
}

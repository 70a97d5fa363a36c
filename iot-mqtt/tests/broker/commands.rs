use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{
    Command, CommandId, CommandRequest, CommandState, DeviceId, Home, Outcome, Principal,
};
use iot_core::port::{CommandRoute, Unready};
use iot_testkit::mqtt::{Client, Message, Properties, QoS, Version};
use serde_json::{Value as Json, json};

use super::kit::{QUIET, Rig, VERSIONS, data, device, local, reading};

/// A plugin's devices, that do what they are told and answer with it.
#[derive(Debug, Default)]
struct Linked {
    runs: AtomicU32,
}

#[async_trait]
impl CommandRoute for Linked {
    fn serves(&self, home: &Home) -> bool {
        *home == Home::Api
    }

    fn takes_any(&self, _: &Home) -> bool {
        true
    }

    fn accepts(&self, _: &Home, _: &DeviceId) -> Result<(), Unready> {
        Ok(())
    }

    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Outcome::Done(command.params)
    }
}

async fn start(store: &str) -> (Rig, Arc<Linked>) {
    let linked = Arc::new(Linked::default());
    let rig = Rig::with(store, local(), |builder| builder.command_route(linked.clone())).await;
    rig.gateway.submit(reading("pump", 0, 1.0)).await.unwrap();
    (rig, linked)
}

fn command(device: &str, payload: Json) -> Message {
    Message::new(format!("devices/{device}/commands"), payload.to_string())
}

async fn heard(client: &mut Client) -> Json {
    serde_json::from_str(&client.expect_message().await.unwrap().text()).unwrap()
}

#[tokio::test]
async fn a_command_to_a_plugins_device_is_answered_on_the_devices_result_topic() {
    let (rig, linked) = start("cmd-linked").await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let mut asker = rig.client(version, "asker").await;
        asker.subscribe("devices/pump/commands/result", QoS::AtLeastOnce).await.unwrap();
        let id = format!("c-{n}");
        let set = json!({"id": id, "name": "set", "params": {"to": 3}});
        asker.publish_and_wait(command("pump", set)).await.unwrap();
        let result = heard(&mut asker).await;
        assert_eq!(result, json!({"id": id, "outcome": "done", "result": {"to": 3}}));
    }
    assert_eq!(linked.runs.load(Ordering::Relaxed), 2);
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_response_topic_and_its_correlation_data_are_honoured() {
    let (rig, _) = start("cmd-response").await;
    let mut asker = rig.client(Version::V5, "asker").await;
    asker.subscribe("answers/me", QoS::AtLeastOnce).await.unwrap();
    let properties = Properties {
        response_topic: Some("answers/me".into()),
        correlation_data: Some(bytes::Bytes::from_static(b"42")),
        ..Properties::default()
    };
    for (payload, outcome) in [
        (json!({"name": "set", "params": {}}), "done"),
        (json!({"name": 7}), "refused"),
        (json!({"id": "x", "name": "set", "timeout_ms": 0}), "refused"),
    ] {
        let asked = command("pump", payload).properties(properties.clone());
        asker.publish_and_wait(asked).await.unwrap();
        let answer = asker.expect_message().await.unwrap();
        assert_eq!(answer.properties.correlation_data.as_deref(), Some(&b"42"[..]));
        let told: Json = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(told["outcome"], outcome, "{told}");
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_command_to_nobody_is_refused_aloud() {
    let (rig, _) = start("cmd-nobody").await;
    let mut asker = rig.client(Version::V3, "asker").await;
    asker.subscribe("devices/+/commands/result", QoS::AtLeastOnce).await.unwrap();
    asker.publish_and_wait(command("nobody", json!({"id": "n", "name": "set"}))).await.unwrap();
    let told = heard(&mut asker).await;
    assert_eq!((&told["id"], &told["outcome"]), (&json!("n"), &json!("refused")));
    rig.gateway.stop().await;
}

#[tokio::test]
async fn nobody_has_the_gateway_speak_for_others_by_a_response_topic() {
    let (rig, _) = start("cmd-spoof").await;
    let mut valve = rig.client(Version::V5, "valve").await;
    valve.subscribe("devices/+/commands", QoS::AtLeastOnce).await.unwrap();
    valve.subscribe("devices/pump/commands/result", QoS::AtLeastOnce).await.unwrap();
    let mut asker = rig.client(Version::V5, "asker").await;
    let properties = Properties {
        response_topic: Some("devices/valve/commands".into()),
        ..Properties::default()
    };
    let asked = command("pump", json!({"name": "set", "params": {}})).properties(properties);
    asker.publish_and_wait(asked).await.unwrap();
    assert_eq!(valve.expect_message().await.unwrap().topic, "devices/pump/commands/result");
    assert_eq!(valve.message_within(QUIET).await.unwrap(), None);
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_retained_or_repeated_command_is_never_run() {
    let (rig, linked) = start("cmd-repeated").await;
    for version in VERSIONS {
        let mut asker = rig.client(version, "asker").await;
        asker.subscribe("devices/pump/commands/result", QoS::AtLeastOnce).await.unwrap();
        let set = json!({"id": "same", "name": "set", "params": {}});
        asker.publish_and_wait(command("pump", set.clone()).retained()).await.unwrap();
        for _ in 0..3 {
            asker.publish_and_wait(command("pump", set.clone())).await.unwrap();
        }
        if version == VERSIONS[0] {
            assert_eq!(heard(&mut asker).await["outcome"], "done");
        }
        assert_eq!(asker.message_within(QUIET).await.unwrap(), None, "once is told once");
    }
    assert_eq!(linked.runs.load(Ordering::Relaxed), 1);
    assert_eq!((rig.refused("retained"), rig.refused("repeated")), (2, 5));
    let mut late = rig.client(Version::V3, "late").await;
    late.subscribe("devices/pump/commands", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(late.message_within(QUIET).await.unwrap(), None, "nothing is kept to run later");
    rig.gateway.stop().await;
}

fn request(device: &str, id: &str, ms: u64) -> CommandRequest {
    CommandRequest {
        id: Some(CommandId::parse(id).unwrap()),
        device: self::device(device),
        name: "open".into(),
        params: json!({"by": 10}),
        timeout: Some(Duration::from_millis(ms)),
    }
}

#[tokio::test]
async fn a_device_that_listens_here_gets_its_commands_and_owns_its_result() {
    let (rig, _) = start("cmd-foreign").await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let name = format!("valve{n}");
        let mut valve = rig.client(version, &name).await;
        valve.publish_and_wait(data(&name, r#"{"t":1}"#)).await.unwrap();
        let topic = format!("devices/{name}/commands");
        valve.subscribe(&topic, QoS::AtLeastOnce).await.unwrap();
        let id = format!("v-{n}");
        let local = Principal::local();
        let record = rig.gateway.command(&local, request(&name, &id, 20_000)).await.unwrap();
        let asked = heard(&mut valve).await;
        assert_eq!((&asked["id"], &asked["name"]), (&json!(id), &json!("open")));
        assert_eq!(asked["params"], json!({"by": 10}));
        let answer = json!({"id": id, "outcome": "failed", "error": "stuck"});
        let result = Message::new(format!("{topic}/result"), answer.to_string());
        let mut spy = rig.client(version, "spy").await;
        let guess = json!({"id": id, "outcome": "done"}).to_string();
        spy.publish_and_wait(Message::new("devices/other/commands/result", guess)).await.unwrap();
        valve.publish_and_wait(result).await.unwrap();
        let over = rig.gateway.command_over(&record.id).await.unwrap();
        assert_eq!((over.state, over.error.as_deref()), (CommandState::Failed, Some("stuck")));
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_device_that_is_away_or_silent_ends_its_command_all_the_same() {
    let (rig, _) = start("cmd-away").await;
    let mut valve = rig.client(Version::V3, "valve").await;
    valve.publish_and_wait(data("valve", r#"{"t":1}"#)).await.unwrap();
    let local = Principal::local();
    let away = rig.gateway.command(&local, request("valve", "away", 200)).await.unwrap();
    let over = rig.gateway.command_over(&away.id).await.unwrap();
    assert_eq!((over.state, over.may_have_run), (CommandState::Refused, false));
    assert!(over.error.unwrap().contains("does not listen"));
    valve.subscribe("devices/+/commands", QoS::AtLeastOnce).await.unwrap();
    let silent = rig.gateway.command(&local, request("valve", "silent", 200)).await.unwrap();
    let over = rig.gateway.command_over(&silent.id).await.unwrap();
    assert_eq!((over.state, over.may_have_run), (CommandState::TimedOut, true));
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_command_that_waits_for_its_device_is_handed_over_when_it_comes() {
    let (rig, _) = start("cmd-soon").await;
    let mut valve = rig.client(Version::V3, "valve").await;
    valve.publish_and_wait(data("valve", r#"{"t":1}"#)).await.unwrap();
    let mut asker = rig.client(Version::V5, "asker").await;
    let open = json!({"id": "soon", "name": "open", "timeout_ms": 20_000});
    asker.publish_and_wait(command("valve", open)).await.unwrap();
    valve.subscribe("devices/valve/commands", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(heard(&mut valve).await["id"], "soon");
    rig.gateway.stop().await;
}

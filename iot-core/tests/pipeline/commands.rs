use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{
    Command, CommandId, CommandRequest, CommandSpec, CommandState, DeviceId, Home, Outcome,
    Principal,
};
use iot_core::gateway::{Gateway, Running};
use iot_core::pipeline::CommandError;
use iot_core::port::{CommandRoute, Unready};
use iot_testkit::memory::Memory;
use serde_json::json;

use super::device;

/// Answers as the command's name says.
#[derive(Debug, Default)]
struct Pump {
    runs: AtomicU32,
    asked: AtomicU32,
}

#[async_trait]
impl CommandRoute for Pump {
    fn serves(&self, home: &Home) -> bool {
        *home == Home::Api
    }

    fn accepts(&self, _: &Home, device: &DeviceId) -> Result<(), Unready> {
        match device.as_str() {
            "away" => Err(Unready::No("it is away".into())),
            "slow" if self.asked.fetch_add(1, Ordering::Relaxed) < 10 => {
                Err(Unready::Soon("it starts".into()))
            }
            _ => Ok(()),
        }
    }

    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match command.name.as_str() {
            "fail" => Outcome::Failed("stuck".into()),
            "hang" => std::future::pending().await,
            _ => Outcome::Done(command.params),
        }
    }
}

async fn start(store: &str) -> (Running, Arc<Pump>) {
    let pump = Arc::new(Pump::default());
    let started = Gateway::builder().store(format!("memory:{store}")).command_route(pump.clone());
    let gateway = started.start().await.unwrap();
    (gateway, pump)
}

/// Writes devices with commands into the store, as a plugin's announcement would.
async fn with_commands(store: &str) {
    use iot_core::domain::{Device, DeviceNo, Seq, Timestamp};
    use iot_core::port::{Change, Commit};
    let command = |name: &str| CommandSpec {
        name: name.into(),
        title: None,
        params: json!({"type": "object", "properties": {"to": {"type": "integer", "minimum": 0}},
            "additionalProperties": false}),
    };
    let make = |no, id: &str| {
        Change::PutDevice(Arc::new(Device {
            no: DeviceNo(no),
            id: device(id),
            hardware: None,
            name: None,
            kind: "api".into(),
            home: Home::Api,
            manufacturer: None,
            model: None,
            area: None,
            labels: Vec::new(),
            icon: None,
            attributes: std::collections::BTreeMap::new(),
            first_seen: Timestamp::default(),
            commands: ["set", "fail", "hang"].map(command).to_vec(),
            removed: false,
        }))
    };
    let changes = vec![make(1, "pump"), make(2, "away"), make(3, "slow")];
    let commit = Commit { first: Seq(1), changes, ..Commit::default() };
    Memory::named(store).store().log.commit(&commit).await.unwrap();
}

fn request(id: &str, name: &str) -> CommandRequest {
    CommandRequest {
        id: Some(CommandId::parse(id).unwrap()),
        device: device("pump"),
        name: name.into(),
        params: json!({"to": 3}),
        timeout: None,
    }
}

#[tokio::test(start_paused = true)]
async fn every_command_ends_in_exactly_one_outcome() {
    with_commands("outcomes").await;
    let (gateway, pump) = start("outcomes").await;
    let who = Principal::local();
    for (name, state) in [
        ("set", CommandState::Done),
        ("fail", CommandState::Failed),
        ("hang", CommandState::TimedOut),
    ] {
        let record = gateway.command(&who, request(name, name)).await.unwrap();
        assert_eq!(record.state, CommandState::Queued);
        let over = gateway.command_over(&record.id).await.unwrap();
        assert_eq!(over.state, state);
        assert_eq!(over.may_have_run, name == "hang");
        assert_eq!(gateway.registry().command(&record.id).await.unwrap(), Some(over));
    }
    let away = CommandRequest { device: device("away"), ..request("away", "set") };
    let record = gateway.command(&who, away).await.unwrap();
    let over = gateway.command_over(&record.id).await.unwrap();
    assert_eq!((over.state, over.error.as_deref()), (CommandState::Refused, Some("it is away")));
    let slow = CommandRequest { device: device("slow"), ..request("soon", "set") };
    let record = gateway.command(&who, slow).await.unwrap();
    assert_eq!(gateway.command_over(&record.id).await.unwrap().state, CommandState::Done);
    assert_eq!(pump.runs.load(Ordering::Relaxed), 4);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_id_from_many_askers_at_once_runs_once() {
    with_commands("at-once").await;
    let (gateway, pump) = start("at-once").await;
    let who = Principal::local();
    let ask = || gateway.command(&who, request("a", "set"));
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    for record in [a, b, c] {
        let over = gateway.command_over(&record.unwrap().id).await.unwrap();
        assert_eq!(over.state, CommandState::Done);
    }
    assert_eq!(pump.runs.load(Ordering::Relaxed), 1);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_could_not_be_written_down_has_an_outcome_and_never_runs() {
    with_commands("unwritten").await;
    let (gateway, pump) = start("unwritten").await;
    let who = Principal::local();
    let memory = Memory::named("unwritten");
    memory.fail(iot_testkit::memory::Fault::Before(iot_core::port::LogErrorKind::Full));
    let refused = gateway.command(&who, request("a", "set")).await;
    assert!(matches!(refused, Err(CommandError::Full(_))), "{refused:?}");
    memory.fail(iot_testkit::memory::Fault::None);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let record = memory.commands().pop().unwrap();
    assert_eq!((record.state, record.may_have_run), (CommandState::TimedOut, false));
    assert_eq!(pump.runs.load(Ordering::Relaxed), 0);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_id_runs_once_and_an_id_used_for_another_command_is_refused() {
    with_commands("repeated").await;
    let (gateway, pump) = start("repeated").await;
    let who = Principal::local();
    for _ in 0..5 {
        let record = gateway.command(&who, request("a", "set")).await.unwrap();
        assert_eq!(gateway.command_over(&record.id).await.unwrap().state, CommandState::Done);
    }
    assert_eq!(pump.runs.load(Ordering::Relaxed), 1);
    let other = gateway.command(&who, request("a", "fail")).await;
    assert!(matches!(other, Err(CommandError::Conflict(_))), "{other:?}");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_command_is_said() {
    with_commands("wrong").await;
    let (gateway, _) = start("wrong").await;
    let who = Principal::local();
    let no_device = CommandRequest { device: device("nobody"), ..request("a", "set") };
    assert!(matches!(gateway.command(&who, no_device).await, Err(CommandError::UnknownDevice(_))));
    let error = gateway.command(&who, request("a", "sett")).await.unwrap_err();
    assert!(error.to_string().contains("did you mean set?"), "{error}");
    let params = CommandRequest { params: json!({"to": -1, "x": 1}), ..request("a", "set") };
    let Err(CommandError::Params(errors)) = gateway.command(&who, params).await else {
        panic!("the parameters do not fit")
    };
    assert!(errors.iter().any(|e| e.pointer == "/to"), "{errors:?}");
    let long = CommandRequest { timeout: Some(Duration::from_secs(3601)), ..request("a", "set") };
    assert!(matches!(gateway.command(&who, long).await, Err(CommandError::Timeout)));
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_sent_when_the_process_died_may_have_run_and_is_not_run_again() {
    with_commands("died").await;
    let (gateway, pump) = start("died").await;
    let who = Principal::local();
    let record = gateway.command(&who, request("hang", "hang")).await.unwrap();
    while gateway.registry().command(&record.id).await.unwrap().unwrap().state != CommandState::Sent
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(gateway);
    let (gateway, again) = start("died").await;
    let over = gateway.command_over(&record.id).await.unwrap();
    assert_eq!((over.state, over.may_have_run), (CommandState::TimedOut, true));
    assert_eq!(pump.runs.load(Ordering::Relaxed), 1);
    assert_eq!(again.runs.load(Ordering::Relaxed), 0);
    gateway.stop().await;
}

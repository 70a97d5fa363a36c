//! What every plugin kind must do, whatever door it comes through.
//!
//! | clause | what is checked |
//! | --- | --- |
//! | describes itself | its schema is one; every key of its configuration has a description |
//! | refuses in words | an unknown key and a configuration of the wrong shape, by `validate` and `open` |
//! | announces first | no reading before its device and sensor were announced |
//! | keeps its ids | the same devices and sensors after a restart with its own state |
//! | refuses commands | that nobody announced, without failing |
//! | closes in time | within 2 s of being told, with at most 64 KiB of state |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_core::domain::{Command, CommandId, DeviceId, InstanceName, Outcome, SensorKey, State};
use iot_core::port::{Asked, OpenCx, OpenError, PluginKind, Retry, Turn, Turns};
use iot_core::schema::Checker;
use serde_json::{Map, Value as Json};

use crate::sim::desk::SimDesk;
use crate::sim::turns::ScriptedTurns;

/// How long a plugin has to close.
const CLOSE: Duration = Duration::from_secs(2);
/// How long opening and two polls may take here.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most sensors of a device, unless a setting raises it.
const MOST_SENSORS: usize = 200;

/// Runs a kind with a good configuration through all clauses.
///
/// # Panics
/// At the first clause that does not hold, naming it.
pub fn assert_conforms(kind: Arc<dyn PluginKind>, config: Json) {
    let checked = std::thread::Builder::new()
        .name("conformance".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
            runtime.block_on(check(&*kind, &config))
        })
        .map_err(|error| format!("no thread: {error}"))
        .and_then(|thread| thread.join().unwrap_or_else(|_| Err("the plugin panicked".to_owned())));
    if let Err(fault) = checked {
        panic!("the plugin does not conform: {fault}");
    }
}

async fn check(kind: &dyn PluginKind, config: &Json) -> Result<(), String> {
    describes_itself(kind)?;
    kind.validate(config).map_err(|e| format!("a good configuration is refused: {e}"))?;
    refuses_in_words(kind, config).await?;
    let first = run(kind, config, State::none()).await?;
    if !kind.describe().restartable {
        return Ok(());
    }
    let second = run(kind, config, first.state.clone()).await?;
    for (device, sensors) in &first.devices {
        let again = second
            .devices
            .get(device)
            .ok_or_else(|| format!("keeps its ids: {device} is gone after a restart"))?;
        if let Some(lost) = sensors.iter().find(|key| !again.contains(key)) {
            return Err(format!("keeps its ids: {device}.{lost} is gone after a restart"));
        }
    }
    match second.devices.keys().find(|device| !first.devices.contains_key(*device)) {
        Some(new) => Err(format!("keeps its ids: {new} is new after a restart")),
        None => Ok(()),
    }
}

fn describes_itself(kind: &dyn PluginKind) -> Result<(), String> {
    let info = kind.describe();
    Checker::new(&info.config_schema).map_err(|e| format!("describes itself: {e}"))?;
    if info.version.is_empty() {
        return Err("describes itself: its version is empty".to_owned());
    }
    let empty = Map::new();
    let keys = info.config_schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    match keys.iter().find(|(_, schema)| schema.get("description").is_none()) {
        Some((key, _)) => Err(format!("describes itself: {key} has no description")),
        None => Ok(()),
    }
}

async fn refuses_in_words(kind: &dyn PluginKind, config: &Json) -> Result<(), String> {
    let mut unknown = config.as_object().cloned().unwrap_or_default();
    unknown.insert("no_such_key".to_owned(), Json::Bool(true));
    for (what, bad) in
        [("an unknown key", Json::Object(unknown)), ("a bare text", Json::String("no".to_owned()))]
    {
        match kind.validate(&bad) {
            Ok(()) => return Err(format!("refuses in words: {what} is taken")),
            Err(error) if error.detail.trim().is_empty() => {
                return Err(format!("refuses in words: {what} is refused without a word"));
            }
            Err(_) => {}
        }
        let (desk, cx) = context(State::none())?;
        let opened = timed("opening", kind.open(bad, cx)).await?;
        match opened {
            Err(OpenError { retry: Retry::Never, .. }) => {}
            Err(OpenError { why, .. }) => {
                return Err(format!("refuses in words: {what} would be tried again: {why}"));
            }
            Ok(_) => return Err(format!("refuses in words: {what} is opened")),
        }
        if desk.told().announcements > 0 {
            return Err(format!("refuses in words: {what} announces a device"));
        }
    }
    Ok(())
}

/// What a run leaves behind.
struct Left {
    devices: BTreeMap<DeviceId, Vec<SensorKey>>,
    state: State,
}

/// One life: open, two polls, a command that nobody announced, stop, close.
async fn run(kind: &dyn PluginKind, config: &Json, state: State) -> Result<Left, String> {
    let (desk, cx) = context(state)?;
    let opened = timed("opening", kind.open(config.clone(), cx)).await?;
    let mut plugin = opened.map_err(|e| format!("it does not open: {e}"))?;
    let polls = [Turn::Tick, Turn::Tick];
    let mut turns = Turns::new(Box::new(ScriptedTurns::new(polls, Arc::clone(&desk))));
    let polled = timed("two polls", plugin.run(&mut turns)).await?;
    polled.map_err(|e| format!("it does not poll: {e}"))?;
    let devices = announced(&desk)?;

    let mut asked = Vec::new();
    let mut answers = Vec::new();
    for device in devices.keys() {
        let (turn, answer) = Asked::new(unknown_command(device)?);
        asked.push(Turn::Command(turn));
        answers.push(answer);
    }
    let mut turns = Turns::new(Box::new(ScriptedTurns::new(asked, Arc::clone(&desk))));
    let begun = Instant::now();
    let ran = timed("refusing commands", plugin.run(&mut turns)).await?;
    ran.map_err(|e| format!("refuses commands: it failed: {e}"))?;
    drop(turns);
    for answer in answers {
        match answer.await {
            Ok(Outcome::Refused(why)) if !why.trim().is_empty() => {}
            Ok(other) => return Err(format!("refuses commands: the outcome is {other:?}")),
            Err(_) => return Err("refuses commands: there is no outcome".to_owned()),
        }
    }
    let closed = plugin.close().await;
    if begun.elapsed() > CLOSE {
        return Err(format!("closes in time: it took {:?}", begun.elapsed()));
    }
    let kept = desk.told().states.last().cloned().unwrap_or_default();
    let state = if closed.is_none() { kept } else { closed };
    if state.bytes.len() > State::MAX {
        return Err(format!("closes in time: its state has {} bytes", state.bytes.len()));
    }
    Ok(Left { devices, state })
}

fn announced(desk: &SimDesk) -> Result<BTreeMap<DeviceId, Vec<SensorKey>>, String> {
    let told = desk.told();
    if let Some(stranger) = told.strangers.first() {
        return Err(format!("announces first: {stranger} was read and not announced"));
    }
    let mut devices = BTreeMap::new();
    for (id, (spec, _)) in &told.devices {
        if spec.sensors.len() > MOST_SENSORS {
            return Err(format!("announces first: {id} has {} sensors", spec.sensors.len()));
        }
        for command in &spec.commands {
            Checker::new(&command.params)
                .map_err(|e| format!("announces first: the parameters of {}: {e}", command.name))?;
        }
        devices.insert(id.clone(), spec.sensors.iter().map(|s| s.key.clone()).collect());
    }
    Ok(devices)
}

fn context(state: State) -> Result<(Arc<SimDesk>, OpenCx), String> {
    let desk = Arc::new(SimDesk::new());
    let name = InstanceName::parse("conformance").map_err(|e| e.to_string())?;
    Ok((Arc::clone(&desk), OpenCx::new(name, state, desk)))
}

fn unknown_command(device: &DeviceId) -> Result<Command, String> {
    Ok(Command {
        id: CommandId::parse("conformance-1").map_err(|e| e.to_string())?,
        device: device.clone(),
        name: "no_such_command".to_owned(),
        params: Json::Object(Map::new()),
        time_left: PATIENCE,
    })
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|_| format!("{what} took longer than {PATIENCE:?}"))
}

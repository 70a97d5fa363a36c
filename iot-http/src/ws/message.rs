//! What clients and the gateway say to each other.

use axum::extract::ws::Utf8Bytes;
use iot_core::domain::{CommandId, CommandRecord, DeviceId, Reading};
use iot_core::format::device::DeviceShape;
use iot_core::pipeline::{DeviceView, Position, SensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::problem::{Kind, Problem};
use crate::shape::ReadingOut;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Said {
    Auth {
        token: String,
    },
    Subscribe {
        id: u64,
        #[serde(default)]
        devices: Vec<String>,
        #[serde(default)]
        sensors: Vec<String>,
        #[serde(default)]
        since: Option<String>,
        #[serde(default = "yes")]
        readings: bool,
    },
    Unsubscribe {
        id: u64,
    },
    Command {
        id: u64,
        #[serde(default)]
        command_id: Option<CommandId>,
        device_id: DeviceId,
        name: String,
        #[serde(default)]
        params: Json,
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    Ping,
}

fn yes() -> bool {
    true
}

impl Said {
    /// Reads a message; what does not fit is told with its `id`, where it has one.
    pub(super) fn read(text: &str) -> Result<Self, (Option<u64>, Problem)> {
        serde_json::from_str(text).map_err(|error| {
            let id = serde_json::from_str::<Json>(text).ok().and_then(|json| json["id"].as_u64());
            let kind = if error.is_data() { Kind::Invalid } else { Kind::BadRequest };
            (id, Problem::new(kind, format!("the message cannot be read: {error}")))
        })
    }
}

/// Writes JSON; our own types always can be.
fn text(value: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(value).unwrap_or_default().into()
}

#[derive(Serialize)]
struct Readings<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    at: String,
    readings: Vec<ReadingOut<'a>>,
}

pub(super) fn readings<'a>(at: Position, all: impl Iterator<Item = &'a Reading>) -> Utf8Bytes {
    let readings = all.map(ReadingOut::live).collect();
    text(&Readings { kind: "readings", at: at.to_string(), readings })
}

/// The latest values of some sensors, at a position.
pub(super) fn latest<'a>(at: Position, all: impl Iterator<Item = &'a SensorView>) -> Utf8Bytes {
    let readings = all.filter_map(ReadingOut::latest).collect();
    text(&Readings { kind: "readings", at: at.to_string(), readings })
}

#[derive(Serialize)]
struct Device<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    device: DeviceShape<'a>,
}

pub(super) fn device(view: &DeviceView) -> Utf8Bytes {
    text(&Device { kind: "device", device: DeviceShape::whole(view) })
}

pub(super) fn gone(id: &DeviceId) -> Utf8Bytes {
    text(&json!({ "type": "gone", "device_id": id }))
}

#[derive(Serialize)]
struct Snapshot<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    at: String,
    devices: Vec<DeviceShape<'a>>,
    readings: Vec<ReadingOut<'a>>,
}

pub(super) fn snapshot<'a>(
    id: u64,
    at: Position,
    devices: impl Iterator<Item = &'a DeviceView>,
    sensors: impl Iterator<Item = &'a SensorView>,
) -> Utf8Bytes {
    text(&Snapshot {
        kind: "snapshot",
        id,
        at: at.to_string(),
        devices: devices.map(DeviceShape::whole).collect(),
        readings: sensors.filter_map(ReadingOut::latest).collect(),
    })
}

pub(super) fn resumed(id: u64) -> Utf8Bytes {
    text(&json!({ "type": "resumed", "id": id }))
}

pub(super) fn lagged(missed: u64) -> Utf8Bytes {
    text(&json!({ "type": "lagged", "missed": missed }))
}

pub(super) fn outcome(id: u64, command: &CommandRecord) -> Utf8Bytes {
    text(&json!({ "type": "outcome", "id": id, "command": command }))
}

pub(super) fn pong() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"pong"}"#)
}

pub(super) fn error(id: Option<u64>, problem: &Problem) -> Utf8Bytes {
    let mut json = json!({ "type": "error", "problem": problem.json() });
    if let Some(id) = id {
        json["id"] = id.into();
    }
    text(&json)
}

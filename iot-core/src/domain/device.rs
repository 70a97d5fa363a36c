//! Devices: things with an identity that never changes once given.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceId, IdError, InstanceName, SensorSpec, Timestamp};

/// A device's number in the store: small, never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct DeviceNo(pub u32);

/// The way by which a device was first accepted. Its readings by another way are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Home {
    /// A plugin's instance.
    Instance(InstanceName),
    /// A link to another broker.
    Link(String),
    /// The embedded broker.
    MqttListener,
    /// Made by hand, or by the program that embeds the gateway.
    Api,
}

impl Home {
    /// Reads the form of the API: `instance:NAME`, `link:NAME`, `listener:mqtt`, `api`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.split_once(':') {
            Some(("instance", name)) => Ok(Self::Instance(InstanceName::parse(name)?)),
            Some(("link", name)) => Ok(Self::Link(name.to_owned())),
            Some(("listener", "mqtt")) => Ok(Self::MqttListener),
            None if text == "api" => Ok(Self::Api),
            _ => Err(IdError {
                what: "home",
                text: text.chars().take(80).collect(),
                why: "must be instance:NAME, link:NAME, listener:mqtt or api",
            }),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "instance:{name}"),
            Self::Link(name) => write!(f, "link:{name}"),
            Self::MqttListener => f.write_str("listener:mqtt"),
            Self::Api => f.write_str("api"),
        }
    }
}

/// Whether a device can be heard, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// Its readings arrive.
    Online,
    /// Its home is gone or said so.
    Offline,
    /// Its home is there, its readings are overdue.
    Stale,
    /// Its home says that it fails.
    Fault,
}

impl DeviceState {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Stale => "stale",
            Self::Fault => "fault",
        }
    }
}

/// A command that a device understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Its name: `set_interval`.
    pub name: String,
    /// A title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A JSON Schema of its parameters.
    pub params: serde_json::Value,
}

/// A device as the gateway knows it. Immutable: a change makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its number in the store.
    pub no: DeviceNo,
    /// Its identity.
    pub id: DeviceId,
    /// The identity that its hardware brought, by which its home finds it again.
    pub hardware: Option<String>,
    /// A name for people; the id where nobody gave one.
    pub name: Option<String>,
    /// The kind of plugin or dialect that speaks to it.
    pub kind: String,
    /// The way by which it was first accepted.
    pub home: Home,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// What it is called by who made it.
    pub model: Option<String>,
    /// Where it stands.
    pub area: Option<String>,
    /// Words to find it by.
    pub labels: Vec<String>,
    /// A picture's name, from the page's closed list.
    pub icon: Option<String>,
    /// Facts about it: serial numbers, firmware.
    pub attributes: BTreeMap<String, String>,
    /// When it was first accepted.
    pub first_seen: Timestamp,
    /// What it can be asked to do.
    pub commands: Vec<CommandSpec>,
    /// It was deleted: its number and id stay taken, it is shown nowhere.
    pub removed: bool,
}

/// A device as a plugin announces it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSpec {
    /// The hardware's own identity, unique within the plugin's kind (a ROM code, a serial number).
    /// The `device_id` is made from it at first sight and then stays.
    pub hardware: String,
    /// A name for people.
    pub name: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// What it is called by who made it.
    pub model: Option<String>,
    /// Facts about it.
    pub attributes: BTreeMap<String, String>,
    /// What it measures.
    pub sensors: Vec<SensorSpec>,
    /// What it can be asked to do.
    pub commands: Vec<CommandSpec>,
    /// It is stale when nothing was heard for so long; none for three intervals of the schedule,
    /// 60 s at least.
    pub stale_after: Option<Duration>,
}

impl DeviceSpec {
    /// A device with nothing but its hardware's identity.
    #[must_use]
    pub fn new(hardware: impl Into<String>) -> Self {
        Self {
            hardware: hardware.into(),
            name: None,
            manufacturer: None,
            model: None,
            attributes: BTreeMap::new(),
            sensors: Vec::new(),
            commands: Vec::new(),
            stale_after: None,
        }
    }
}

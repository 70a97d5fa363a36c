//! Plugin kinds and instances as they are kept and shown.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{InstanceName, KindName, Timestamp};

/// Where an instance's configuration lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// In the configuration file: read-only elsewhere.
    File,
    /// In the database, made over the API.
    Api,
    /// Made because a plugin was dropped into the folder.
    Plugin,
    /// In the program that embeds the gateway.
    Code,
}

impl Origin {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
            Self::Plugin => "plugin",
            Self::Code => "code",
        }
    }
}

/// An instance as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRecord {
    /// Its name.
    pub name: InstanceName,
    /// The plugin's kind.
    pub kind: KindName,
    /// Its configuration.
    pub config: Json,
    /// Where that lives.
    pub origin: Origin,
    /// Whether it is to run when the gateway starts.
    pub enabled: bool,
}

/// Where an instance stands, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It is being opened.
    Starting,
    /// It runs.
    Running,
    /// It failed and is tried again later.
    BackingOff,
    /// It failed too often and is left alone until a person starts it.
    GaveUp,
    /// It was stopped.
    Stopped,
    /// It asks for a permission that nobody gave yet.
    WaitingForGrant,
}

impl InstanceState {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::GaveUp => "gave_up",
            Self::Stopped => "stopped",
            Self::WaitingForGrant => "waiting_for_grant",
        }
    }
}

/// An instance as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceStatus {
    /// What it is.
    pub record: InstanceRecord,
    /// Where it stands.
    pub state: InstanceState,
    /// Why, where that is not plain: the last error, the name of an abandoned thread.
    pub reason: Option<String>,
    /// Readings taken in from it since the gateway started.
    pub readings: u64,
    /// Polls that were left out because it was not done, or was out of credit.
    pub skipped: u64,
    /// Times it was started again after a failure.
    pub restarts: u64,
}

/// What a plugin keeps between runs: a version of its own and at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The plugin's own version of the form.
    pub version: u32,
    /// The state; at most [`State::MAX`] bytes.
    pub bytes: Arc<[u8]>,
}

impl State {
    /// The most a plugin may keep, in bytes.
    pub const MAX: usize = 64 * 1024;

    /// Nothing is kept.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A plugin kind as the plugin registry keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginRecord {
    /// Its kind.
    pub kind: KindName,
    /// Its version.
    pub version: String,
    /// `linked`, `wasm`, `process`.
    pub door: String,
    /// Where it lies; none for a linked one.
    pub path: Option<String>,
    /// SHA-256 of what lies there.
    pub hash: Option<String>,
    /// What the operator granted, as JSON.
    pub grants: Json,
    /// `loaded`, `failed`, `gone`.
    pub state: String,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

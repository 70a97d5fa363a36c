//! The configuration as values. Settings that can be changed over the API while running are `None`
//! here where nobody wrote them: their defaults are the core's.

use std::net::{Ipv4Addr, SocketAddr};

use iot_core::domain::{GatewayId, InstanceName, KindName, Language};
use serde::Deserialize;

use super::mqtt::Mqtt;
use super::value::{Bytes, addresses, size, size_if_any};

const MIB: u64 = 1 << 20;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) gateway: Gateway,
    pub(crate) storage: Storage,
    pub(crate) http: Http,
    pub(crate) mqtt: Mqtt,
    pub(crate) time: Time,
    pub(crate) plugins: Plugins,
    pub(crate) instance: Vec<Instance>,
}

/// Who this gateway is.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gateway {
    pub(crate) id: Option<GatewayId>,
    pub(crate) name: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) language: Option<Language>,
    pub(crate) log_level: Option<String>,
}

/// Where readings are kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    pub(crate) url: String,
    pub(crate) synchronous: Synchronous,
    pub(crate) wear: Wear,
    #[serde(deserialize_with = "size_if_any::<_, { 64 * MIB }, { u64::MAX }>")]
    pub(crate) disk_cap: Option<Bytes>,
    #[serde(deserialize_with = "size::<_, MIB, { u64::MAX }>")]
    pub(crate) backlog_cap: Bytes,
    pub(crate) retention_days: Option<u64>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            url: "sqlite:iot.db".to_owned(),
            synchronous: Synchronous::Full,
            wear: Wear::Ssd,
            disk_cap: None,
            backlog_cap: Bytes(1 << 30),
            retention_days: None,
        }
    }
}

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Synchronous {
    Full,
    Normal,
}

/// What the disk bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wear {
    Ssd,
    Sd,
}

/// The API and the page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// The clock.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Time {
    pub(crate) trust: Trust,
}

/// When the clock's time is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trust {
    #[default]
    Auto,
    Always,
}

/// Plugins on disk.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Plugins {
    pub(crate) process_plugins: ProcessPlugins,
}

/// What happens to programs in the plugins folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProcessPlugins {
    #[default]
    Auto,
    Approve,
    Off,
}

/// An instance of a plugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instance {
    pub(crate) name: InstanceName,
    pub(crate) kind: KindName,
    #[serde(default)]
    pub(crate) config: toml::Table,
}

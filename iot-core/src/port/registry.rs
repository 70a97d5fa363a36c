//! The registry: what is known beside readings. Reads only; changes go through the writer.

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::domain::{
    AuditEntry, BootId, CommandId, CommandRecord, Device, DeviceId, InstanceName, InstanceRecord,
    PluginRecord, Sensor, SettingKey, State, Timestamp, TokenHash, TokenRecord,
};

/// A device with what the store knows of it beside its description.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDevice {
    /// The device.
    pub device: Device,
    /// When it was last heard, as far as that was written down.
    pub last_seen: Option<Timestamp>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// A key for the next page; none at the end.
    pub next: Option<i64>,
}

/// The registry could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the registry could not be read: {why}")]
pub struct RegistryError {
    /// What went wrong, in words.
    pub why: String,
}

/// What is known beside readings.
#[async_trait]
pub trait Registry: Send + Sync {
    /// All devices, removed ones too.
    ///
    /// # Errors
    /// When the store cannot be read (so for all of these).
    async fn devices(&self) -> Result<Vec<StoredDevice>, RegistryError>;

    /// All sensors.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn sensors(&self) -> Result<Vec<Sensor>, RegistryError>;

    /// All instances kept in the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn instances(&self) -> Result<Vec<InstanceRecord>, RegistryError>;

    /// What an instance's plugin kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn state(&self, instance: &InstanceName) -> Result<State, RegistryError>;

    /// All plugin kinds ever seen.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn plugins(&self) -> Result<Vec<PluginRecord>, RegistryError>;

    /// Settings that somebody set.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn settings(&self) -> Result<Vec<(SettingKey, Json)>, RegistryError>;

    /// All tokens, sessions and links that were not removed, expired ones too.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, RegistryError>;

    /// The token with this hash.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn token(&self, hash: &TokenHash) -> Result<Option<TokenRecord>, RegistryError>;

    /// One command.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn command(&self, id: &CommandId) -> Result<Option<CommandRecord>, RegistryError>;

    /// Commands, newest first, of one device or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn commands(
        &self,
        device: Option<&DeviceId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<CommandRecord>, RegistryError>;

    /// Commands that are not over: those that were open when the process died.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn open_commands(&self) -> Result<Vec<CommandRecord>, RegistryError>;

    /// The audit, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn audit(
        &self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<AuditEntry>, RegistryError>;

    /// Corrections of unsynced times: microseconds to add to a boot's monotonic ones.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn corrections(&self) -> Result<Vec<(BootId, i64)>, RegistryError>;

    /// The gateway's identity, made once and kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn gateway_id(&self) -> Result<String, RegistryError>;
}

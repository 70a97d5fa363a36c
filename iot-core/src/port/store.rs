//! A store: one log, one history, one registry behind one address.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{History, Log, Registry};

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// When the disk says so.
    #[default]
    Full,
    /// When the operating system has it: a power cut may lose the last seconds.
    Normal,
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Its address; the scheme names the implementation: `sqlite:iot.db`.
    pub url: String,
    /// The folder that relative addresses start from.
    pub data_dir: PathBuf,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// The most that the data folder may hold, in bytes; none for half of what is free.
    pub disk_cap: Option<u64>,
}

/// Room on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes that the store takes.
    pub used: u64,
    /// Bytes that it may take.
    pub cap: u64,
}

/// An open store.
#[derive(Clone)]
pub struct Store {
    /// The order of readings, and the write door.
    pub log: Arc<dyn Log>,
    /// Readings by sensor and time.
    pub history: Arc<dyn History>,
    /// What is known beside them.
    pub registry: Arc<dyn Registry>,
    /// Room on disk, and the end.
    pub keeper: Arc<dyn Keeper>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Looks after a store as a whole.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Room on disk.
    fn usage(&self) -> Usage;

    /// Closes the store; everything committed is on disk and the files can be opened by others.
    async fn close(&self);
}

/// A store could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store {url} could not be opened: {why}")]
pub struct StoreError {
    /// Its address.
    pub url: String,
    /// What is wrong, and what to do.
    pub why: String,
}

//! What can go wrong with a plugin, each with what to do.

use crate::domain::{DeviceId, IdError};

/// A configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", if pointer.is_empty() { "configuration" } else { pointer.as_str() })]
pub struct ConfigError {
    /// Where: a JSON Pointer into the configuration, `/interval_ms`; empty for the whole.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl ConfigError {
    /// Something is wrong at a place.
    #[must_use]
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Whether opening again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may: the world was not ready.
    Soon,
    /// It will not until somebody changes something.
    Never,
}

/// A plugin could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct OpenError {
    /// What is wrong, and what to do.
    pub why: String,
    /// Whether opening again may help.
    pub retry: Retry,
}

impl OpenError {
    /// The world was not ready; it is tried again, with back-off.
    #[must_use]
    pub fn soon(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry: Retry::Soon }
    }

    /// It cannot work until somebody changes something.
    #[must_use]
    pub fn never(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry: Retry::Never }
    }
}

/// A poll did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PollError {
    /// What is wrong.
    pub why: String,
    /// The plugin must be closed and opened again; else it is only polled again, later.
    pub reopen: bool,
}

impl PollError {
    /// It did not work this time; the next poll is tried, with back-off.
    #[must_use]
    pub fn retry(why: impl Into<String>) -> Self {
        Self { why: why.into(), reopen: false }
    }

    /// The plugin must be closed and opened again.
    #[must_use]
    pub fn reopen(why: impl Into<String>) -> Self {
        Self { why: why.into(), reopen: true }
    }
}

/// A device could not be announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The id made from its hardware's identity belongs to another home's device.
    #[error("device {device} belongs to {home}; move it with POST devices/{device}/move")]
    NotHome {
        /// The device.
        device: DeviceId,
        /// Its home.
        home: String,
    },
    /// There are too many.
    #[error("{what} are at their limit of {limit}; raise it in the settings or announce fewer")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A sensor was announced with another type than it has on file.
    #[error("sensor {sensor} is on file as {on_file}, announced as {announced}")]
    Type {
        /// The sensor.
        sensor: String,
        /// Its type on file.
        on_file: &'static str,
        /// The announced one.
        announced: &'static str,
    },
    /// The instance, or its gateway, has ended.
    #[error("the instance has ended; it announces nothing any more")]
    Ended,
    /// An identity does not fit.
    #[error(transparent)]
    Id(#[from] IdError),
}

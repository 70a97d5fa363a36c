//! Time stands behind a port, so that a simulation decides what it is.

use std::fmt;

use crate::domain::{BootId, TimeQuality, Timestamp};

/// What the clock says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reckoning {
    /// The wall clock's time.
    pub wall: Timestamp,
    /// Microseconds since this boot's start, by a clock that nobody sets.
    pub monotonic_us: i64,
    /// Whether the wall clock can be trusted.
    pub synced: bool,
    /// The run of the system that `monotonic_us` counts from.
    pub boot: BootId,
}

impl Reckoning {
    /// The quality of a time that the gateway stamps now.
    #[must_use]
    pub fn quality(&self) -> TimeQuality {
        if self.synced {
            TimeQuality::Synced
        } else {
            TimeQuality::Unsynced { boot: self.boot, monotonic_us: self.monotonic_us }
        }
    }
}

/// The time of day. Timers are tokio's, which a simulation pauses by itself.
pub trait Clock: Send + Sync + fmt::Debug {
    /// What it is now.
    fn now(&self) -> Reckoning;

    /// Tells the clock of the newest committed reading: a wall clock that stands before it has
    /// been set back and cannot be trusted.
    fn newest_committed(&self, _at: Timestamp) {}
}

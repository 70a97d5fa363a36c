//! A clock that a test sets. It runs with tokio's time, which a test may pause.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use iot_core::domain::{BootId, Timestamp};
use iot_core::port::{Clock, Reckoning};
use tokio::time::Instant;

/// A clock under a test's control.
#[derive(Debug)]
pub struct SimClock {
    start: Instant,
    wall_at_start: AtomicI64,
    synced: AtomicBool,
    boot: BootId,
}

impl SimClock {
    /// A synced clock that stands at an instant now. Called inside a tokio runtime.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self {
            start: Instant::now(),
            wall_at_start: AtomicI64::new(wall.as_micros()),
            synced: AtomicBool::new(true),
            boot: BootId(1),
        }
    }

    /// The same, in a boot of its own.
    #[must_use]
    pub fn boot(mut self, boot: u32) -> Self {
        self.boot = BootId(boot);
        self
    }

    /// Sets the wall clock, and whether it can be trusted.
    pub fn set(&self, wall: Timestamp, synced: bool) {
        let elapsed = self.monotonic_us();
        self.wall_at_start.store(wall.as_micros() - elapsed, Ordering::Relaxed);
        self.synced.store(synced, Ordering::Relaxed);
    }

    fn monotonic_us(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Reckoning {
        let monotonic_us = self.monotonic_us();
        let wall = self.wall_at_start.load(Ordering::Relaxed) + monotonic_us;
        Reckoning {
            wall: Timestamp::from_micros(wall),
            monotonic_us,
            synced: self.synced.load(Ordering::Relaxed),
            boot: self.boot,
        }
    }
}

//! How long an instance may take, and how often it may fail. The defaults are the promises of the
//! house; tests shorten them.

use std::time::Duration;

use super::restart::RestartPolicy;

/// The limits of every instance of a host.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// After so many of its own intervals without a sign of life a thread counts as hung.
    pub hang_intervals: u32,
    /// A thread is given at least this long, however short its interval.
    pub hang_at_least: Duration,
    /// A poll may take two intervals, and at least this long.
    pub poll_at_least: Duration,
    /// How long opening may wait for the world.
    pub open: Duration,
    /// How long an instance has to stop before its thread is abandoned.
    pub stop: Duration,
    /// How many commands may wait for an instance; the next is refused as busy.
    pub commands: usize,
    /// What follows a failure.
    pub restart: RestartPolicy,
    /// The stack of an instance's thread. It is address space, not memory: only touched pages
    /// count, some 30 KiB. Half of the usual 2 MiB, so that many instances fit a 32-bit machine,
    /// and enough for the deep recursion of a schema's checker in a debug build.
    pub stack: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hang_intervals: 3,
            hang_at_least: Duration::from_secs(3),
            poll_at_least: Duration::from_secs(5),
            open: Duration::from_secs(60),
            stop: Duration::from_secs(2),
            commands: 16,
            restart: RestartPolicy::default(),
            stack: 1024 * 1024,
        }
    }
}

impl Limits {
    /// How long a thread may go without a sign of life.
    pub(crate) fn hang(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.hang_intervals).max(self.hang_at_least)
    }

    /// How long a poll may take.
    pub(crate) fn poll(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).max(self.poll_at_least)
    }
}

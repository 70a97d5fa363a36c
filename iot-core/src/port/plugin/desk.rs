//! What an instance may use of the gateway.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::AnnounceError;
use crate::domain::{Batch, DeviceId, DeviceSpec, InstanceName, State};
use crate::port::Reckoning;

/// Readings were taken in and are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// How many were accepted.
    pub accepted: usize,
    /// How many were refused; each is counted with its reason in the diagnostics.
    pub refused: usize,
}

/// Readings could not be put on disk. They may be there all the same: sending them again is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The store has no room, or cannot be written now.
    #[error("the store takes nothing now: {0}")]
    Store(String),
    /// The gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
}

/// When an instance is polled. Clones speak of the same schedule.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<AtomicU64>);

impl Schedule {
    /// The shortest interval.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// Once every interval.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let schedule = Self(Arc::new(AtomicU64::new(0)));
        schedule.set(interval);
        schedule
    }

    /// Changes the interval; it holds from the next poll on.
    pub fn set(&self, interval: Duration) {
        let ms = u64::try_from(interval.max(Self::SHORTEST).as_millis()).unwrap_or(u64::MAX);
        self.0.store(ms, Ordering::Relaxed);
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Default for Schedule {
    /// Every 10 seconds.
    fn default() -> Self {
        Self::every(Duration::from_secs(10))
    }
}

/// What an instance may use of the gateway.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Makes a device known, or tells what is new about it; gives its lasting id.
    ///
    /// # Errors
    /// When it belongs to somebody else, or there are too many.
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError>;

    /// A device is gone: it shows as offline. It keeps its id and history.
    fn withdraw(&self, device: &DeviceId);

    /// A device fails (with a reason), or works again.
    fn report(&self, device: &DeviceId, fault: Option<&str>);

    /// Takes readings in and waits until they are on disk.
    ///
    /// # Errors
    /// When they could not be put there.
    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError>;

    /// Takes readings in without waiting for the disk.
    ///
    /// # Errors
    /// Gives the batch back where there is no credit left.
    fn emit(&self, batch: Batch) -> Result<Receipt, Batch>;

    /// Whether `emit` would take a reading now: asked before a device is read in vain.
    fn has_credit(&self) -> bool {
        true
    }

    /// Keeps a state for the next run; it is written with the next commit.
    fn keep(&self, state: State);

    /// The gateway's clock.
    fn clock(&self) -> Reckoning;

    /// All devices of this instance fail (with a reason), or work again; what the host knows.
    fn instance_fault(&self, fault: Option<&str>);

    /// The instance stopped: all its devices show as offline.
    fn instance_gone(&self);
}

/// What a plugin is given when it is opened. Keep it for as long as devices come and go.
#[derive(Clone)]
pub struct OpenCx {
    /// The instance's name.
    pub instance: InstanceName,
    /// When it is polled: every 10 s unless it says otherwise here.
    pub schedule: Schedule,
    /// What it kept the last time.
    pub state: State,
    desk: Arc<dyn Desk>,
}

impl fmt::Debug for OpenCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCx").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl OpenCx {
    /// For hosts: what an instance is given.
    #[must_use]
    pub fn new(instance: InstanceName, state: State, desk: Arc<dyn Desk>) -> Self {
        Self { instance, schedule: Schedule::default(), state, desk }
    }

    /// Makes a device known, or tells what is new about it; gives its lasting id.
    ///
    /// # Errors
    /// When it belongs to somebody else, or there are too many.
    pub fn announce(&self, spec: DeviceSpec) -> Result<DeviceId, AnnounceError> {
        self.desk.announce(spec, self.schedule.interval())
    }

    /// A device is gone: it shows as offline. It keeps its id and history.
    pub fn withdraw(&self, device: &DeviceId) {
        self.desk.withdraw(device);
    }

    /// A device fails (with a reason), or works again.
    pub fn report(&self, device: &DeviceId, fault: Option<&str>) {
        self.desk.report(device, fault);
    }

    /// Keeps a state for the next run; it is written with the next commit.
    pub fn keep(&self, state: State) {
        self.desk.keep(state);
    }

    /// The gateway's clock.
    #[must_use]
    pub fn clock(&self) -> Reckoning {
        self.desk.clock()
    }
}

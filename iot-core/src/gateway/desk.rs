//! An instance's desk: what it may use of the gateway.
//!
//! - In: batches of one instance
//! - Out: intake
//! - Bound: 100,000 readings of this instance that are not on disk yet
//! - When full: `submit` waits, `emit` gives the batch back and the host skips and counts the poll
//! - Counter: the instance's `skipped`
//!
//! It holds the gateway weakly: an instance does not keep alive a gateway that everybody else let
//! go of.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::handle::Shared;
use crate::domain::{
    Batch, DeviceId, DeviceSpec, DeviceState, Home, InstanceName, KindName, State,
};
use crate::pipeline::Unknown;
use crate::pipeline::catalogue::Entry;
use crate::pipeline::queue::{Credit, Sender, permits};
use crate::port::{AnnounceError, Change, Desk, Receipt, Reckoning, SubmitError};

const CREDIT: usize = 100_000;

/// The desk of one instance.
pub(crate) struct InstanceDesk {
    shared: Weak<Shared>,
    start: Reckoning,
    name: InstanceName,
    kind: KindName,
    home: Home,
    credit: Arc<Semaphore>,
    sender: Sender,
}

impl InstanceDesk {
    pub(crate) fn new(shared: &Arc<Shared>, name: InstanceName, kind: KindName) -> Self {
        let home = Home::Instance(name.clone());
        let credit = Arc::new(Semaphore::new(CREDIT));
        let (sender, start) = (shared.sender(), shared.clock.now());
        Self { shared: Arc::downgrade(shared), start, name, kind, home, credit, sender }
    }

    /// Sets the state of those of this instance's devices that `which` picks.
    fn set_state(&self, which: impl Fn(&Entry) -> bool, state: DeviceState, reason: Option<&str>) {
        if let Some(shared) = self.shared.upgrade() {
            let own = |entry: &Entry| entry.device.home == self.home && which(entry);
            shared.catalogue.set_state(own, state, reason);
        }
    }
}

fn fault_or_online(fault: Option<&str>) -> DeviceState {
    if fault.is_some() { DeviceState::Fault } else { DeviceState::Online }
}

#[async_trait]
impl Desk for InstanceDesk {
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError> {
        let shared = self.shared.upgrade().ok_or(AnnounceError::Ended)?;
        let now = shared.clock.now().wall;
        shared.catalogue.announce(&self.home, self.kind.as_str(), spec, interval, now)
    }

    fn withdraw(&self, device: &DeviceId) {
        self.set_state(|e| e.device.id == *device, DeviceState::Offline, None);
    }

    fn report(&self, device: &DeviceId, fault: Option<&str>) {
        let which = |e: &Entry| {
            e.device.id == *device && (fault.is_some() || e.state == DeviceState::Fault)
        };
        self.set_state(which, fault_or_online(fault), fault);
    }

    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError> {
        let wanted = permits(batch.len(), CREDIT);
        let own = self.credit.clone().acquire_many_owned(wanted).await;
        let credit = Credit(vec![own.map_err(|_| SubmitError::Stopping)?]);
        let shared = self.shared.upgrade().ok_or(SubmitError::Stopping)?;
        shared.submit(&self.home, Unknown::Refuse, batch, credit, self.sender).await
    }

    fn emit(&self, batch: Batch) -> Result<Receipt, Batch> {
        let Some(shared) = self.shared.upgrade() else { return Err(batch) };
        let wanted = permits(batch.len(), CREDIT);
        let Ok(own) = self.credit.clone().try_acquire_many_owned(wanted) else { return Err(batch) };
        let Some(all) = shared.queue.try_credit(batch.len()) else { return Err(batch) };
        let credit = Credit(vec![own, all]);
        Ok(shared.intake.take(&self.home, Unknown::Refuse, batch, credit, None).0)
    }

    fn has_credit(&self) -> bool {
        self.credit.available_permits() > 0
            && self.shared.upgrade().is_some_and(|shared| shared.queue.has_credit())
    }

    fn keep(&self, state: State) {
        let change = Change::KeepState(self.name.clone(), state);
        let queued = self.shared.upgrade().and_then(|s| s.queue.change(vec![change], false));
        if queued.is_none() {
            tracing::warn!(instance = %self.name, "a state came after the store was closed");
        }
    }

    fn clock(&self) -> Reckoning {
        self.shared.upgrade().map_or(self.start, |shared| shared.clock.now())
    }

    fn instance_fault(&self, fault: Option<&str>) {
        // What was withdrawn stays offline, whatever its instance suffers.
        let which = |e: &Entry| match fault {
            Some(_) => e.state != DeviceState::Offline,
            None => e.state == DeviceState::Fault,
        };
        self.set_state(which, fault_or_online(fault), fault);
    }

    fn instance_gone(&self) {
        self.set_state(|_| true, DeviceState::Offline, None);
    }
}

//! An instance's desk: what it may use of the gateway.
//!
//! - In: batches of one instance
//! - Out: intake
//! - Bound: 100,000 readings of this instance that are not on disk yet
//! - When full: `submit` waits, `emit` gives the batch back and the host skips and counts the poll
//! - Counter: the instance's `skipped`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::handle::Shared;
use crate::domain::{
    Batch, DeviceId, DeviceSpec, DeviceState, Home, InstanceName, KindName, State,
};
use crate::pipeline::Unknown;
use crate::pipeline::queue::{Credit, Sender, permits};
use crate::port::{AnnounceError, Change, Desk, Receipt, Reckoning, SubmitError};

const CREDIT: usize = 100_000;

/// The desk of one instance.
pub(crate) struct InstanceDesk {
    shared: Arc<Shared>,
    name: InstanceName,
    kind: KindName,
    home: Home,
    credit: Arc<Semaphore>,
    sender: Sender,
}

impl InstanceDesk {
    pub(crate) fn new(shared: Arc<Shared>, name: InstanceName, kind: KindName) -> Self {
        let home = Home::Instance(name.clone());
        let sender = shared.sender();
        Self { shared, name, kind, home, credit: Arc::new(Semaphore::new(CREDIT)), sender }
    }
}

#[async_trait]
impl Desk for InstanceDesk {
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError> {
        let now = self.shared.clock.now().wall;
        self.shared.catalogue.announce(&self.home, self.kind.as_str(), spec, interval, now)
    }

    fn withdraw(&self, device: &DeviceId) {
        let which = |e: &crate::pipeline::catalogue::Entry| {
            e.device.id == *device && e.device.home == self.home
        };
        self.shared.catalogue.set_state(which, DeviceState::Offline, None);
    }

    fn report(&self, device: &DeviceId, fault: Option<&str>) {
        let state = if fault.is_some() { DeviceState::Fault } else { DeviceState::Online };
        let which = |e: &crate::pipeline::catalogue::Entry| {
            e.device.id == *device
                && e.device.home == self.home
                && (fault.is_some() || e.state == DeviceState::Fault)
        };
        self.shared.catalogue.set_state(which, state, fault);
    }

    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError> {
        let wanted = permits(batch.len(), CREDIT);
        let own = self.credit.clone().acquire_many_owned(wanted).await;
        let own = own.map_err(|_| SubmitError::Stopping)?;
        let credit = Credit(vec![own]);
        self.shared.submit(&self.home, Unknown::Refuse, batch, credit, self.sender).await
    }

    fn emit(&self, batch: Batch) -> Result<Receipt, Batch> {
        let wanted = permits(batch.len(), CREDIT);
        let Ok(own) = self.credit.clone().try_acquire_many_owned(wanted) else { return Err(batch) };
        let Some(all) = self.shared.queue.try_credit(batch.len()) else { return Err(batch) };
        let credit = Credit(vec![own, all]);
        let intake = &self.shared.intake;
        Ok(intake.take(&self.home, Unknown::Refuse, batch, credit, None).0)
    }

    fn keep(&self, state: State) {
        let change = Change::KeepState(self.name.clone(), state);
        if self.shared.queue.change(vec![change], false).is_none() {
            tracing::warn!(instance = %self.name, "a state came after the store was closed");
        }
    }

    fn clock(&self) -> Reckoning {
        self.shared.clock.now()
    }

    fn instance_fault(&self, fault: Option<&str>) {
        let state = if fault.is_some() { DeviceState::Fault } else { DeviceState::Online };
        let which = |e: &crate::pipeline::catalogue::Entry| {
            e.device.home == self.home
                && match fault {
                    // What was withdrawn stays offline, whatever its instance suffers.
                    Some(_) => e.state != DeviceState::Offline,
                    None => e.state == DeviceState::Fault,
                }
        };
        self.shared.catalogue.set_state(which, state, fault);
    }

    fn instance_gone(&self) {
        let which = |e: &crate::pipeline::catalogue::Entry| e.device.home == self.home;
        self.shared.catalogue.set_state(which, DeviceState::Offline, None);
    }
}

//! The right of one run to speak for its instance.
//!
//! A thread cannot be killed. One that hung is abandoned: its lease ends, a new run gets another,
//! and when the old thread comes back after all, nothing that it says is taken.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{Batch, DeviceId, DeviceSpec, State};
use iot_core::port::{AnnounceError, Desk, Receipt, Reckoning, SubmitError};
use tokio_util::sync::CancellationToken;

use super::instance::Instance;

/// See the module. Clones speak of the same run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lease(CancellationToken);

impl Lease {
    /// Whether the run still speaks for its instance.
    pub(crate) fn holds(&self) -> bool {
        !self.0.is_cancelled()
    }

    /// The run is abandoned.
    pub(crate) fn end(&self) {
        self.0.cancel();
    }

    /// Waits until the run is abandoned.
    pub(crate) async fn ended(&self) {
        self.0.cancelled().await;
    }
}

/// The gateway's desk, as one run may use it: it counts, and is deaf to a run without a lease.
#[derive(Debug)]
pub(crate) struct RunDesk {
    pub(crate) instance: Arc<Instance>,
    pub(crate) lease: Lease,
}

impl RunDesk {
    fn desk(&self) -> Option<&Arc<dyn Desk>> {
        self.lease.holds().then_some(&self.instance.desk)
    }

    fn count(&self, receipt: Receipt) {
        let accepted = u64::try_from(receipt.accepted).unwrap_or(u64::MAX);
        self.instance.report.readings.fetch_add(accepted, Ordering::Relaxed);
    }
}

#[async_trait]
impl Desk for RunDesk {
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError> {
        match self.desk() {
            Some(desk) => desk.announce(spec, interval),
            // Heard only by a thread that was given up.
            None => Err(AnnounceError::Ended),
        }
    }

    fn withdraw(&self, device: &DeviceId) {
        if let Some(desk) = self.desk() {
            desk.withdraw(device);
        }
    }

    fn report(&self, device: &DeviceId, fault: Option<&str>) {
        if let Some(desk) = self.desk() {
            desk.report(device, fault);
        }
    }

    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError> {
        let desk = self.desk().ok_or(SubmitError::Stopping)?;
        let receipt = desk.submit(batch).await?;
        self.count(receipt);
        Ok(receipt)
    }

    fn emit(&self, batch: Batch) -> Result<Receipt, Batch> {
        let Some(desk) = self.desk() else { return Err(batch) };
        let receipt = desk.emit(batch)?;
        self.count(receipt);
        Ok(receipt)
    }

    fn has_credit(&self) -> bool {
        self.desk().is_some_and(|desk| desk.has_credit())
    }

    fn keep(&self, state: State) {
        if self.lease.holds() {
            self.instance.keep(state);
        }
    }

    fn clock(&self) -> Reckoning {
        self.instance.desk.clock()
    }

    fn instance_fault(&self, fault: Option<&str>) {
        if self.lease.holds() {
            self.instance.fault(fault);
        }
    }

    fn instance_gone(&self) {
        if let Some(desk) = self.desk() {
            desk.instance_gone();
        }
    }
}

//! Inlets: a layer's way in for the readings of one home.
//!
//! - In: batches of one sender, as a connection to a broker brings them
//! - Out: intake; to the sender, when its batch is on disk
//! - Bound: the queue's credit; the sender holds back what it may not hand over yet
//! - When full: `take` waits, `emit` gives the batch back
//! - Counter: `accepted`, `refused{reason}`
//!
//! Unlike [`Handle::submit`] an inlet keeps many batches of one sender under way, and hides a store
//! that fails: what was taken in stays queued, so its sender simply hears later.

use std::sync::Arc;
use std::time::Duration;

use super::handle::{Handle, Shared};
use crate::domain::{Batch, DeviceId, DeviceState, Home, SettingKey};
use crate::pipeline::Unknown;
use crate::pipeline::queue::{Credit, Sender, Ticket};
use crate::port::{Receipt, SubmitError};

/// How often a store that fails is asked whether it takes readings again.
const FAILING: Duration = Duration::from_millis(100);

/// A way in for the readings of one home, and one sender. Each connection has its own.
#[derive(Clone)]
pub struct Inlet {
    shared: Arc<Shared>,
    home: Home,
    kind: &'static str,
    sender: Sender,
}

impl std::fmt::Debug for Inlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inlet").field("home", &self.home).finish_non_exhaustive()
    }
}

/// A batch that was taken in and is not known to be on disk yet.
#[derive(Debug)]
pub struct Pending {
    shared: Arc<Shared>,
    receipt: Receipt,
    ticket: Option<Ticket>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Pending {
    /// What was accepted and refused.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Waits until it is on disk, for as long as that takes. Cancel-safe.
    ///
    /// # Errors
    /// When the gateway stopped before it was.
    pub async fn committed(&mut self) -> Result<Receipt, SubmitError> {
        while let Some(ticket) = &mut self.ticket {
            match ticket.committed().await {
                Ok(()) => self.ticket = None,
                Err(_) => {
                    tokio::time::sleep(FAILING).await;
                    // It stays queued: asking again tells when it is there.
                    let again = self.shared.queue.change(Vec::new(), false);
                    self.ticket = Some(again.ok_or(SubmitError::Stopping)?);
                }
            }
        }
        Ok(self.receipt)
    }
}

impl Inlet {
    /// The home of what comes in here.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Takes a batch in once there is credit for it and the store can be written. Cancel-safe:
    /// dropped before it answers, it has taken nothing.
    ///
    /// # Errors
    /// When the gateway stops.
    pub async fn take(&self, batch: Batch) -> Result<Pending, SubmitError> {
        let mut credit = Credit::default();
        if !batch.is_empty() {
            while self.shared.failing.load().is_some() {
                tokio::time::sleep(FAILING).await;
            }
            let permit = self.shared.queue.credit(batch.len()).await;
            credit.0.push(permit.ok_or(SubmitError::Stopping)?);
        }
        let (receipt, ticket) =
            self.shared.intake.take(&self.home, self.unknown(), batch, credit, Some(self.sender));
        Ok(Pending { shared: self.shared.clone(), receipt, ticket })
    }

    /// Takes a batch in whose sender does not wait; gives it back where there is no credit.
    ///
    /// # Errors
    /// The batch.
    pub fn emit(&self, batch: Batch) -> Result<Receipt, Batch> {
        let Some(permit) = self.shared.queue.try_credit(batch.len()) else { return Err(batch) };
        let credit = Credit(vec![permit]);
        Ok(self.shared.intake.take(&self.home, self.unknown(), batch, credit, None).0)
    }

    /// Something whose commit is that of all that was taken in before it, by anybody.
    ///
    /// # Errors
    /// When the gateway stops.
    pub fn all_before(&self) -> Result<Pending, SubmitError> {
        let ticket = self.shared.queue.change(Vec::new(), false).ok_or(SubmitError::Stopping)?;
        let receipt = Receipt::default();
        Ok(Pending { shared: self.shared.clone(), receipt, ticket: Some(ticket) })
    }

    /// A device of this home says, or has it said by its will, that it is there or not. False
    /// where the device is not known here.
    pub fn heard(&self, device: &DeviceId, online: bool) -> bool {
        let now = self.shared.clock.now().wall;
        let state = if online { DeviceState::Online } else { DeviceState::Offline };
        self.shared.catalogue.heard(device, &self.home, state, now)
    }

    fn unknown(&self) -> Unknown {
        // The default is to accept. An inbox for `approve` is not built: until then such a device is
        // not let in.
        let accepts = self.shared.settings.look(SettingKey::UnknownDevices, |value| {
            value.is_none_or(|value| value.as_str() == Some("accept"))
        });
        if accepts { Unknown::Create { kind: self.kind } } else { Unknown::Refuse }
    }
}

impl Handle {
    /// A way in for the readings of one home, and one sender. Devices that come into being there
    /// get this kind.
    #[must_use]
    pub fn inlet(&self, home: Home, kind: &'static str) -> Inlet {
        let sender = self.shared.sender();
        Inlet { shared: self.shared.clone(), home, kind, sender }
    }

    /// The home of a device that is there.
    #[must_use]
    pub fn home(&self, device: &DeviceId) -> Option<Home> {
        self.shared.catalogue.home(device)
    }
}

//! Acknowledgements that a client is owed, in the order of its publishes.
//!
//! - In: receipts of publishes, some with readings
//! - Out: receipts whose readings, and all before them, are on disk
//! - Bound: what the connection lets be unacknowledged; one batch that intake has no credit for
//! - When full: the connection reads no further
//! - Counter: none of its own

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use iot_core::domain::Batch;
use iot_core::gateway::{Inlet, Pending};
use iot_core::port::SubmitError;
use rmqtt_codec::v5::PublishAckReason;

use crate::broker::session::Receipt;

/// A publish and what its sender is told.
type Due = (Receipt, PublishAckReason);

/// Publishes of one read, acknowledged together.
struct Group {
    readings: Readings,
    receipts: Vec<Due>,
}

/// How far a group's readings have got.
enum Readings {
    /// There are none, or they are on disk.
    Done,
    /// Taken in, and on their way to the disk.
    Pending(Pending),
    /// There is no credit for them yet, or the store cannot be written.
    HeldUp(BoxFuture<'static, Result<Pending, SubmitError>>),
    /// The gateway stops.
    Lost(SubmitError),
}

/// What a client is owed.
#[derive(Default)]
pub(super) struct Owed {
    groups: VecDeque<Group>,
    receipts: usize,
}

impl Owed {
    /// How many publishes are not acknowledged.
    pub(super) fn receipts(&self) -> usize {
        self.receipts
    }

    /// Whether intake has not taken the last readings yet: no more are to be read until it has.
    pub(super) fn held_up(&self) -> bool {
        self.groups.back().is_some_and(|group| matches!(group.readings, Readings::HeldUp(_)))
    }

    /// Receipts that wait for what came before them alone.
    pub(super) fn at_once(&mut self, receipts: Vec<Due>) {
        if !receipts.is_empty() {
            self.push(Readings::Done, receipts);
        }
    }

    /// Hands readings to intake; their receipts wait for the disk.
    pub(super) fn after_commit(&mut self, inlet: &Inlet, batch: Batch, receipts: Vec<Due>) {
        let inlet = inlet.clone();
        let mut taking = async move { inlet.take(batch).await }.boxed();
        let readings = match (&mut taking).now_or_never() {
            Some(Ok(pending)) => Readings::Pending(pending),
            Some(Err(error)) => Readings::Lost(error),
            None => Readings::HeldUp(taking),
        };
        self.push(readings, receipts);
    }

    fn push(&mut self, readings: Readings, receipts: Vec<Due>) {
        self.receipts += receipts.len();
        self.groups.push_back(Group { readings, receipts });
    }

    /// Waits until there may be something due, for ever where nothing is owed. Cancel-safe.
    ///
    /// # Errors
    /// When the gateway stops before something owed was on disk.
    pub(super) async fn moved(&mut self) -> Result<(), SubmitError> {
        match self.groups.make_contiguous() {
            [] => std::future::pending().await,
            [first, .., last] if matches!(last.readings, Readings::HeldUp(_)) => tokio::select! {
                biased;
                moved = first.readings.advance() => moved,
                moved = last.readings.advance() => moved,
            },
            [first, ..] => first.readings.advance().await,
        }
    }

    /// Takes out what is due now.
    pub(super) fn due(&mut self) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(group) = self.groups.front_mut() {
            // An error is told by `moved`, which the connection waits for.
            if !matches!(group.readings.advance().now_or_never(), Some(Ok(()))) {
                break;
            }
            if !matches!(group.readings, Readings::Done) {
                continue;
            }
            let Some(group) = self.groups.pop_front() else { break };
            self.receipts -= group.receipts.len();
            due.extend(group.receipts);
        }
        due
    }
}

impl Readings {
    /// Waits for the next step.
    async fn advance(&mut self) -> Result<(), SubmitError> {
        let next = match self {
            Self::Done => return Ok(()),
            Self::Lost(error) => return Err(error.clone()),
            Self::Pending(pending) => pending.committed().await.map(|_| Self::Done),
            Self::HeldUp(taking) => taking.await.map(Self::Pending),
        };
        *self = match next {
            Ok(next) => next,
            Err(error) => Self::Lost(error),
        };
        match self {
            Self::Lost(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

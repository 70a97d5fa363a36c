//! What waits for the writer.
//!
//! - In: accepted readings from intake, changes from the gateway, cursor moves, last-seen times
//! - Out: everything that waits, at once, to the writer
//! - Bound: 400,000 readings by credit, taken before intake looks at a batch and given back when
//!   the batch is committed; past 10,000 changes, one a device, sensor, instance, command, setting
//!   and token, and the newest 1,000 audit rows
//! - When full: whoever waits for the commit waits for credit; whoever does not gets the batch back
//! - Counter: `refused{no_credit}`, an instance's `skipped`
//!
//! All that is queued between two commits shares one ticket, so its senders hear of the commit
//! through one wake-up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::policy::Waiting;
use crate::domain::{DeviceNo, Reading, Timestamp};
use crate::port::{Change, CursorMove, CursorName, LogError};

/// More changes than this are gathered: of those that say the same thing anew, the last counts.
const CHANGES: usize = 10_000;
/// The most audit rows that are kept while nothing can be written.
const AUDIT: usize = 1_000;

/// The most readings that may wait.
pub(crate) const CREDIT: usize = 400_000;

/// Who waits: a connection, a request, an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sender(pub(crate) u64);

/// How a commit ended; none while it has not.
pub(crate) type Ended = Option<Result<(), LogError>>;

/// A place in the next commit.
#[derive(Debug)]
pub(crate) struct Ticket(watch::Receiver<Ended>);

impl Ticket {
    /// Waits for the commit. Cancel-safe.
    pub(crate) async fn committed(&mut self) -> Result<(), LogError> {
        match self.0.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ok(())),
            Err(_) => Err(LogError {
                kind: crate::port::LogErrorKind::Other,
                doing: "commit",
                why: "the writer ended".to_owned(),
            }),
        }
    }
}

/// Credit that a batch holds until it is committed.
#[derive(Debug, Default)]
pub(crate) struct Credit(pub(crate) Vec<OwnedSemaphorePermit>);

/// Everything that waited.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) batches: Vec<Arc<[Reading]>>,
    pub(crate) credit: Vec<Credit>,
    pub(crate) changes: Vec<Change>,
    pub(crate) cursors: Vec<CursorMove>,
    pub(crate) seen: Vec<(DeviceNo, Timestamp)>,
    pub(crate) urgent: bool,
    pub(crate) ticket: watch::Sender<Ended>,
}

#[derive(Debug)]
struct State {
    batches: Vec<Arc<[Reading]>>,
    credit: Vec<Credit>,
    changes: Vec<Change>,
    cursors: HashMap<CursorName, CursorMove>,
    seen: HashMap<DeviceNo, Timestamp>,
    senders: HashMap<Sender, usize>,
    waiting: Waiting,
    ticket: watch::Sender<Ended>,
    closed: bool,
}

/// The queue before the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    credit: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                batches: Vec::new(),
                credit: Vec::new(),
                changes: Vec::new(),
                cursors: HashMap::new(),
                seen: HashMap::new(),
                senders: HashMap::new(),
                waiting: Waiting::default(),
                ticket: watch::Sender::new(None),
                closed: false,
            }),
            wake: Notify::new(),
            credit: Arc::new(Semaphore::new(CREDIT)),
        }
    }

    /// Credit for so many readings, if there is some now.
    pub(crate) fn try_credit(&self, readings: usize) -> Option<OwnedSemaphorePermit> {
        self.credit.clone().try_acquire_many_owned(permits(readings, CREDIT)).ok()
    }

    /// Whether there is credit for a reading now.
    pub(crate) fn has_credit(&self) -> bool {
        self.credit.available_permits() > 0
    }

    /// Credit for so many readings; waits for it.
    pub(crate) async fn credit(&self, readings: usize) -> Option<OwnedSemaphorePermit> {
        self.credit.clone().acquire_many_owned(permits(readings, CREDIT)).await.ok()
    }

    /// Queues accepted readings; none when the queue is closed.
    pub(crate) fn push(
        &self,
        batch: Arc<[Reading]>,
        credit: Credit,
        waits: Option<Sender>,
    ) -> Option<Ticket> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let count = batch.len();
        if let Some(sender) = waits {
            let of_sender = state.senders.entry(sender).or_insert(0);
            *of_sender += count;
            let of_sender = *of_sender;
            state.waiting.waiting += count;
            state.waiting.one_sender = state.waiting.one_sender.max(of_sender);
        }
        state.waiting.readings += count;
        state.batches.push(batch);
        state.credit.push(credit);
        Some(self.queued(state))
    }

    /// Queues changes; with `urgent`, somebody waits for them. None when the queue is closed.
    pub(crate) fn change(&self, changes: Vec<Change>, urgent: bool) -> Option<Ticket> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.changes.extend(changes);
        if state.changes.len() > CHANGES {
            compact(&mut state.changes);
        }
        state.waiting.urgent |= urgent;
        Some(self.queued(state))
    }

    /// Cursor moves ride on the next commit and never cause one.
    pub(crate) fn cursor(&self, moved: CursorMove) {
        self.lock().cursors.insert(moved.name.clone(), moved);
    }

    /// Last-seen times ride on the next commit and never cause one.
    pub(crate) fn seen(&self, seen: impl Iterator<Item = (DeviceNo, Timestamp)>) {
        self.lock().seen.extend(seen);
    }

    fn queued(&self, mut state: MutexGuard<'_, State>) -> Ticket {
        if state.waiting.oldest.is_none() {
            state.waiting.oldest = Some(Instant::now());
        }
        let ticket = Ticket(state.ticket.subscribe());
        drop(state);
        self.wake.notify_one();
        ticket
    }

    /// Nothing is taken in any more; what is queued is committed at once.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.urgent = true;
        drop(state);
        self.credit.close();
        self.wake.notify_one();
    }

    /// Takes the removals out: they free a full store, so they go before what waits for room.
    pub(crate) fn take_removals(&self) -> Vec<Change> {
        let mut state = self.lock();
        let removals = |change: &mut Change| {
            matches!(change, Change::RemoveReadings { .. } | Change::RemoveDevice { .. })
        };
        state.changes.extract_if(.., removals).collect()
    }

    /// Tells everybody who waits that the store fails. What they brought stays queued.
    pub(crate) fn fail_waiters(&self, error: &LogError) {
        let mut state = self.lock();
        state.senders.clear();
        state.waiting.waiting = 0;
        state.waiting.one_sender = 0;
        state.waiting.urgent = state.closed;
        let ticket = std::mem::replace(&mut state.ticket, watch::Sender::new(None));
        drop(state);
        ticket.send_replace(Some(Err(error.clone())));
    }

    pub(crate) fn waiting(&self) -> (Waiting, bool) {
        let state = self.lock();
        (state.waiting, state.closed)
    }

    /// Something was queued, or the queue was closed.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.lock();
        state.senders.clear();
        let waiting = std::mem::take(&mut state.waiting);
        state.waiting.urgent = state.closed;
        Taken {
            batches: std::mem::take(&mut state.batches),
            credit: std::mem::take(&mut state.credit),
            changes: std::mem::take(&mut state.changes),
            cursors: state.cursors.drain().map(|(_, moved)| moved).collect(),
            seen: state.seen.drain().collect(),
            urgent: waiting.urgent,
            ticket: std::mem::replace(&mut state.ticket, watch::Sender::new(None)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the last of the changes that say the same thing anew, in the place of the first, for what
/// names it comes after it; and the newest audit rows.
fn compact(changes: &mut Vec<Change>) {
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Change> = Vec::new();
    let mut audit: Vec<Change> = Vec::new();
    for change in changes.drain(..) {
        let key = match &change {
            Change::PutDevice(device) => format!("device {}", device.no.0),
            Change::PutSensor(sensor) => format!("sensor {}", sensor.no.0),
            Change::DeviceState(no, _) => format!("state of {}", no.0),
            Change::KeepState(instance, _) => format!("state {instance}"),
            Change::PutPlugin(plugin) => format!("plugin {}", plugin.kind),
            Change::PutCommand(command) => format!("command {}", command.id),
            Change::ForgetCommands(_) => "forget".to_owned(),
            Change::Audit(_) => {
                audit.push(change);
                continue;
            }
            _ => {
                kept.push(change);
                continue;
            }
        };
        match place.get(&key) {
            Some(at) => kept[*at] = change,
            None => {
                place.insert(key, kept.len());
                kept.push(change);
            }
        }
    }
    let lost = audit.len().saturating_sub(AUDIT);
    if lost > 0 {
        tracing::warn!(rows = lost, "audit rows are lost, for the store cannot be written");
    }
    kept.extend(audit.into_iter().skip(lost));
    *changes = kept;
}

/// A batch larger than all credit takes all of it, and so goes alone.
pub(crate) fn permits(readings: usize, most: usize) -> u32 {
    u32::try_from(readings.min(most)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceName, State};

    #[test]
    fn changes_that_say_the_same_thing_anew_do_not_pile_up() {
        let queue = Queue::new();
        let name = InstanceName::parse("a").unwrap();
        for version in 0..100_000 {
            let state = State { version, bytes: Arc::from([1]) };
            queue.change(vec![Change::KeepState(name.clone(), state)], false).unwrap();
        }
        let taken = queue.take();
        assert!(taken.changes.len() <= CHANGES + 1, "{}", taken.changes.len());
        let last = taken.changes.iter().rev().find_map(|change| match change {
            Change::KeepState(_, state) => Some(state.version),
            _ => None,
        });
        assert_eq!(last, Some(99_999));
    }

    #[test]
    fn the_last_of_the_same_counts_wherever_it_is_kept() {
        let name = InstanceName::parse("a").unwrap();
        let state = |version| {
            let state = State { version, bytes: Arc::from([1]) };
            Change::KeepState(name.clone(), state)
        };
        let mut changes = vec![state(1), state(2), state(3)];
        compact(&mut changes);
        assert_eq!(changes, [state(3)]);
    }
}

//! The writer: one task owns all writes and gives each reading its `seq` as it commits.
//!
//! - In: everything that waits in the queue
//! - Out: the log; the senders' acknowledgements; the ledger
//! - Bound: one commit in hand; a row of the log holds at most 10,000 readings
//! - When full: the queue before it fills
//! - Counter: `stored`, `kept` of the ledger
//!
//! A commit that fails is read back before it is tried again, for it may be there. While the store
//! fails, senders are told so at once and the readings stay in hand: they are tried again with
//! back-off for as long as the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::policy::{Policy, ROW, Verdict, Wear};
use super::queue::{Queue, Taken};
use crate::domain::{Reading, Seq, Timestamp};
use crate::ledger::Ledger;
use crate::port::{Clock, Commit, Committed, Log, LogError};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// The writer's parts.
pub(crate) struct Writer {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Why the store cannot be written now; none while it can.
    pub(crate) failing: Arc<ArcSwapOption<LogError>>,
    pub(crate) wear: Wear,
    pub(crate) next: Seq,
    /// Set when a stop has waited long enough for a store that fails.
    pub(crate) give_up: CancellationToken,
}

impl Writer {
    /// Runs until the queue is closed and empty, or it is told to give up.
    pub(crate) async fn run(mut self) {
        let mut policy = Policy::new(self.wear, Instant::now());
        loop {
            let (waiting, closed) = self.queue.waiting();
            match policy.decide(Instant::now(), &waiting) {
                Verdict::Now => {
                    let taken = self.queue.take();
                    let empty = taken.batches.is_empty()
                        && taken.changes.is_empty()
                        && taken.cursors.is_empty()
                        && taken.seen.is_empty();
                    if empty {
                        // Somebody only wanted to know that all before is on disk: it is.
                        taken.ticket.send_replace(Some(Ok(())));
                        if closed {
                            return;
                        }
                    } else if !self.commit(taken).await {
                        return;
                    }
                }
                Verdict::At(due) => {
                    tokio::select! {
                        () = self.queue.woken() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                Verdict::Idle => self.queue.woken().await,
            }
        }
    }

    /// Commits, for as long as it takes; false when it was told to give up.
    async fn commit(&mut self, taken: Taken) -> bool {
        let commit = Commit {
            first: self.next,
            batches: rows(taken.batches),
            cursors: taken.cursors,
            seen: taken.seen,
            changes: taken.changes,
            urgent: taken.urgent,
        };
        let after = self.next.plus(commit.readings());
        let mut backoff = BACKOFF_FIRST;
        let mut attempt = self.log.commit(&commit).await;
        loop {
            match attempt {
                Ok(Committed { figures }) => {
                    self.next = after;
                    self.ledger.committed(figures);
                    self.tell_clock(&commit);
                    if self.failing.swap(None).is_some() {
                        tracing::info!("the store can be written again");
                    }
                    // The receivers may all be gone: nobody waited.
                    taken.ticket.send_replace(Some(Ok(())));
                    drop(taken.credit);
                    return true;
                }
                Err(error) => {
                    tracing::error!(%error, readings = commit.readings(), "a commit failed");
                    self.failing.store(Some(Arc::new(error.clone())));
                    self.queue.fail_waiters(&error);
                    taken.ticket.send_if_modified(|ended| {
                        let first = ended.is_none();
                        if first {
                            *ended = Some(Err(error));
                        }
                        first
                    });
                    tokio::select! {
                        () = self.give_up.cancelled() => return false,
                        () = tokio::time::sleep(jittered(backoff)) => {}
                    }
                    backoff = (backoff * 2).min(BACKOFF_MOST);
                    attempt = self.again(&commit, after).await;
                }
            }
        }
    }

    /// Reads back whether a failed commit is there, and tries it again where it is not; removals
    /// that wait go first, for they may make the room it needs. A commit without readings is only
    /// tried again: its changes say what is to be, not what to add.
    async fn again(&self, commit: &Commit, after: Seq) -> Result<Committed, LogError> {
        let end = self.log.end().await?;
        if commit.readings() > 0 && end.0 + 1 >= after.0 {
            tracing::warn!(readings = commit.readings(), "a failed commit is there all the same");
            return Ok(Committed { figures: self.log.figures().await? });
        }
        let changes = self.queue.take_removals();
        if !changes.is_empty() {
            let removals =
                Commit { first: commit.first, changes, urgent: true, ..Commit::default() };
            if let Err(error) = self.log.commit(&removals).await {
                // It waits on; one that cannot be done must not keep the readings in hand out.
                tracing::warn!(%error, "a removal could not go first");
                drop(self.queue.change(removals.changes, true));
            }
        }
        self.log.commit(commit).await
    }

    fn tell_clock(&self, commit: &Commit) {
        let newest: Option<Timestamp> = commit
            .batches
            .iter()
            .filter_map(|batch| batch.last())
            .filter(|r| r.time == crate::domain::TimeQuality::Synced)
            .map(|r| r.ts)
            .max();
        if let Some(newest) = newest {
            self.clock.newest_committed(newest);
        }
    }
}

/// Gathers batches into rows of at most [`ROW`] readings, without copying one that fills a row.
fn rows(batches: Vec<Arc<[Reading]>>) -> Vec<Arc<[Reading]>> {
    let total: usize = batches.iter().map(|b| b.len()).sum();
    if batches.len() == 1 && total <= ROW {
        return batches;
    }
    let mut rows = Vec::with_capacity(total / ROW + 1);
    let mut row: Vec<Reading> = Vec::with_capacity(total.min(ROW));
    let mut left = total;
    for reading in batches.iter().flat_map(|b| b.iter()) {
        row.push(reading.clone());
        left -= 1;
        if row.len() == ROW {
            rows.push(Arc::from(std::mem::replace(&mut row, Vec::with_capacity(left.min(ROW)))));
        }
    }
    if !row.is_empty() {
        rows.push(Arc::from(row));
    }
    rows
}

fn jittered(d: Duration) -> Duration {
    d.mul_f64(0.8 + 0.4 * fastrand::f64())
}

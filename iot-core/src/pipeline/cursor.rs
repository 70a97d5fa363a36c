//! Cursors: durable readers of the committed log.
//!
//! - In: the log, from the cursor's place on
//! - Out: pages of readings to a consumer, which moves the cursor after its own acknowledgement
//! - Bound: one page in hand; the log itself waits on disk
//! - When full: the consumer lags, nothing else
//! - Counter: `acknowledged`, `pending`, `filtered`, `dropped` of the consumer
//!
//! An outage, a crash and a slow link are one case: a cursor that lags.

use std::sync::Arc;

use super::queue::Queue;
use crate::domain::Seq;
use crate::ledger::Ledger;
use crate::port::{CursorMove, CursorName, Log, LogError, LogPage};

/// Where a cursor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// Where it was left; a new one at the end of the log.
    #[default]
    End,
    /// Where it was left; a new one at the beginning of the log.
    Start,
    /// At the end of the log, wherever it was left: for a consumer that keeps nothing itself.
    Now,
}

/// A durable consumer's place in the log.
pub struct Cursor {
    log: Arc<dyn Log>,
    queue: Arc<Queue>,
    ledger: Arc<Ledger>,
    at: CursorMove,
    read_from: Seq,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Cursor {
    /// The cursor of this name, where it was left unless it is to begin anew.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn open(
        log: Arc<dyn Log>,
        queue: Arc<Queue>,
        ledger: Arc<Ledger>,
        name: CursorName,
        begin: Begin,
    ) -> Result<Self, LogError> {
        let kept = match begin {
            Begin::Now => None,
            Begin::Start | Begin::End => {
                log.cursors().await?.into_iter().find(|cursor| cursor.name == name)
            }
        };
        let begin = match begin {
            Begin::Start => Seq(0),
            Begin::End | Begin::Now => log.end().await?,
        };
        let new = kept.is_none();
        let at = kept.unwrap_or(CursorMove {
            name,
            seq: begin,
            began: begin,
            acknowledged: 0,
            filtered: 0,
            dropped: 0,
        });
        if new {
            ledger.moved(&at);
            queue.cursor(at.clone());
        }
        let read_from = at.seq.plus(1);
        Ok(Self { log, queue, ledger, at, read_from })
    }

    /// The next readings of the log, up to `limit`; empty at its end. Reading does not move the
    /// cursor.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&mut self, limit: usize) -> Result<LogPage, LogError> {
        let page = self.log.read(self.read_from, limit).await?;
        self.read_from = page.next;
        Ok(page)
    }

    /// Reads again from the last settled place: after the other side forgot.
    pub fn rewind(&mut self) {
        self.read_from = self.at.seq.plus(1);
    }

    /// Reads again from this place on, which lies between the settled one and the last read.
    pub fn unread(&mut self, from: Seq) {
        self.read_from = from.max(self.at.seq.plus(1)).min(self.read_from);
    }

    /// Everything up to `seq` is settled: so many readings acknowledged and so many passed over by
    /// the filter since the last move; the rest were removed and are counted dropped. Rides on the
    /// next commit.
    pub fn settle(&mut self, seq: Seq, acknowledged: u64, filtered: u64) {
        let Some(stretch) = seq.0.checked_sub(self.at.seq.0) else { return };
        self.at.seq = seq;
        self.read_from = self.read_from.max(seq.plus(1));
        self.at.acknowledged += acknowledged;
        self.at.filtered += filtered;
        self.at.dropped += stretch.saturating_sub(acknowledged + filtered);
        self.ledger.moved(&self.at);
        self.queue.cursor(self.at.clone());
    }

    /// Readings are given up, and why: said before they are settled as neither acknowledged nor
    /// filtered.
    pub fn give_up(&self, reason: &'static str, readings: u64) {
        self.ledger.gave_up(&self.at.name, reason, readings);
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> &CursorMove {
        &self.at
    }
}

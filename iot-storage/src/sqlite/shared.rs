//! What the parts of an open store share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use iot_core::port::Figures;
use sqlx::SqlitePool;
use tokio::sync::Semaphore;

use super::checkpoint::Checkpoint;
use super::decode::Damaged;
use super::lock::Lock;
use super::reserve::Reserve;
use super::row::Corrections;
use super::writer::Writer;

/// Queries that decode much, at once: a Raspberry Pi has other work too.
const HEAVY: usize = 2;
/// Damaged rows that are remembered, so that each is logged once.
const REMEMBERED: usize = 1000;

/// An open store.
pub(super) struct Shared {
    /// Room that is held back for removing readings.
    pub(super) reserve: Reserve,
    /// The one connection that writes, with what it knows of the log's end.
    pub(super) writer: tokio::sync::Mutex<Writer>,
    /// Connections that read.
    pub(super) readers: SqlitePool,
    /// Brings the write-ahead log home.
    pub(super) checkpoint: Checkpoint,
    /// Heavy queries take a place here.
    pub(super) heavy: Semaphore,
    /// What is published of the last commit.
    pub(super) published: Published,
    /// The folder's lock, until the store is closed or nobody has it any more.
    pub(super) held: Mutex<Option<Lock>>,
}

/// What readers may know of the last commit without asking the file.
#[derive(Debug, Default)]
pub(super) struct Published {
    figures: Mutex<Figures>,
    corrections: RwLock<Arc<Corrections>>,
    damaged: Mutex<HashSet<u64>>,
    damaged_rows: AtomicU64,
}

impl Published {
    /// The figures after the last commit.
    pub(super) fn figures(&self) -> Figures {
        *lock(&self.figures)
    }

    /// Publishes the figures of a commit.
    pub(super) fn set_figures(&self, figures: Figures) {
        *lock(&self.figures) = figures;
    }

    /// Corrections of unsynced times.
    pub(super) fn corrections(&self) -> Arc<Corrections> {
        Arc::clone(&self.corrections.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes the corrections of a commit.
    pub(super) fn set_corrections(&self, corrections: Arc<Corrections>) {
        *self.corrections.write().unwrap_or_else(PoisonError::into_inner) = corrections;
    }

    /// A damaged row was met: it costs itself, is counted, and logged the first time.
    pub(super) fn damaged(&self, row: &Damaged) {
        let mut known = lock(&self.damaged);
        if known.len() < REMEMBERED && known.insert(row.seq_first) {
            self.damaged_rows.fetch_add(1, Ordering::Relaxed);
            tracing::error!(error = %row, "a damaged log row is passed over, its readings are lost");
        }
    }
}

impl Shared {
    /// A store around its connections.
    pub(super) fn new(
        reserve: Reserve,
        writer: Writer,
        readers: SqlitePool,
        checkpoint: Checkpoint,
        held: Lock,
    ) -> Self {
        let published = Published::default();
        published.set_figures(writer.figures());
        published.set_corrections(writer.corrections());
        Self {
            reserve,
            writer: tokio::sync::Mutex::new(writer),
            readers,
            checkpoint,
            heavy: Semaphore::new(HEAVY),
            published,
            held: Mutex::new(Some(held)),
        }
    }
}

/// A lock that a panic elsewhere does not take away.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

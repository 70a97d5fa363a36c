//! Brings the write-ahead log home beside the writer: a checkpoint inside a commit would make that
//! commit wait for it.
//!
//! - In: the writer says how much each commit wrote.
//! - Bound: 16 MB of write-ahead log. It starts over only when all of it is home and nobody writes
//!   meanwhile, so from there on the writer brings the rest home itself, in its own turn.
//! - When full: as said; a reader that holds an old snapshot can keep the file growing, so readers are
//!   short.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use iot_core::port::Synchronous;
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connect;
use super::shared::lock;

/// From here on the task beside the writer brings it home.
const BESIDE: u64 = 4 << 20;
/// When the write-ahead log is so long the writer does.
const INLINE: u64 = 16 << 20;
/// So much has to be written before the writer does it again: a reader may hold it up.
const AGAIN: u64 = 1 << 20;
/// A page with its head in the write-ahead log.
const FRAME: u64 = 4096 + 24;

/// The task, and what it shares with the writer.
pub(super) struct Checkpoint {
    away: Arc<Away>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What is in the write-ahead log, about.
#[derive(Default)]
struct Away {
    /// Bytes since the last checkpoint.
    fresh: AtomicU64,
    /// All its bytes; 0 when the next commit starts it over.
    length: AtomicU64,
    enough: Notify,
    /// Two checkpoints at once would only refuse each other.
    turn: tokio::sync::Mutex<()>,
}

impl Checkpoint {
    /// Starts the task; it opens its connection when there is first something to do.
    pub(super) fn start(path: PathBuf, synchronous: Synchronous) -> Self {
        let away = Arc::new(Away::default());
        let stop = CancellationToken::new();
        let work = beside(path, synchronous, Arc::clone(&away), stop.clone());
        let task = Mutex::new(Some(iot_core::task::spawn(work)));
        Self { away, stop, task }
    }

    /// The writer wrote about so many bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        let bytes = (bytes / 4000 + 1) * FRAME;
        self.away.length.fetch_add(bytes, Ordering::Relaxed);
        if self.away.fresh.fetch_add(bytes, Ordering::Relaxed) + bytes >= BESIDE {
            self.away.enough.notify_one();
        }
    }

    /// In the writer's turn, after a commit: helps where the task cannot keep up.
    pub(super) async fn help(&self, writer: &mut SqliteConnection) {
        if self.away.length.load(Ordering::Relaxed) < INLINE
            || self.away.fresh.load(Ordering::Relaxed) < AGAIN
        {
            return;
        }
        let _turn = self.away.turn.lock().await;
        self.away.bring_home(writer, true).await;
    }

    /// Ends the task and waits for it.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let task = lock(&self.task).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the checkpoint task ended badly");
        }
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Away {
    /// A passive checkpoint waits for nobody; what it leaves comes home with the next. Only in the
    /// writer's turn is all of it home afterwards: beside it more may have been written meanwhile.
    async fn bring_home(&self, connection: &mut SqliteConnection, writers_turn: bool) {
        self.fresh.store(0, Ordering::Relaxed);
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await;
        let length = row.and_then(|row| {
            let (log, home): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            let over = writers_turn && home == log;
            Ok(if over { 0 } else { u64::try_from(log).unwrap_or(0) * FRAME })
        });
        match length {
            Ok(length) => self.length.store(length, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint failed, it is tried again after more writing");
            }
        }
    }
}

async fn beside(path: PathBuf, synchronous: Synchronous, away: Arc<Away>, stop: CancellationToken) {
    let mut connection = None;
    while stop.run_until_cancelled(away.enough.notified()).await.is_some() {
        if away.fresh.load(Ordering::Relaxed) < BESIDE {
            continue;
        }
        if connection.is_none() {
            connection = connected(&path, synchronous).await;
        }
        if let Some(connection) = &mut connection {
            let _turn = away.turn.lock().await;
            away.bring_home(connection, false).await;
        }
    }
    if let Some(connection) = connection {
        close(connection).await;
    }
}

async fn connected(path: &Path, synchronous: Synchronous) -> Option<SqliteConnection> {
    match connect::checkpointer(path, synchronous).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::warn!(%error, "no connection for checkpoints, the writer makes them");
            None
        }
    }
}

async fn close(connection: SqliteConnection) {
    use sqlx::Connection as _;
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the connection for checkpoints did not close in order");
    }
}

//! Connections: one that writes, one that checkpoints, a few that only read.

use std::path::Path;
use std::time::Duration;

use iot_core::port::Synchronous;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};

/// Readers at once; a fifth waits.
const READERS: u32 = 4;
/// How long a connection waits for another's lock. Nobody holds one for long.
const BUSY: Duration = Duration::from_secs(5);
/// The write-ahead log's file is cut back to this when it starts over.
const WAL_KEPT: &str = "16777216";

fn base(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .disable_statement_logging()
}

fn writing(path: &Path, synchronous: Synchronous) -> SqliteConnectOptions {
    base(path)
        .synchronous(match synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .pragma("wal_autocheckpoint", "0")
        .pragma("journal_size_limit", WAL_KEPT)
}

/// The connection that writes. What shapes the file is said before its first table is made.
pub(super) async fn writer(
    path: &Path,
    synchronous: Synchronous,
) -> Result<SqliteConnection, sqlx::Error> {
    writing(path, synchronous)
        .page_size(4096)
        .auto_vacuum(SqliteAutoVacuum::None)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
}

/// The connection that brings the write-ahead log home.
pub(super) async fn checkpointer(
    path: &Path,
    synchronous: Synchronous,
) -> Result<SqliteConnection, sqlx::Error> {
    writing(path, synchronous).connect().await
}

/// Those that read.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(base(path).read_only(true).pragma("query_only", "1"))
}

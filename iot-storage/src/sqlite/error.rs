//! What SQLite says, in the ports' words.

use iot_core::port::{HistoryError, LogError, LogErrorKind, RegistryError};

/// Primary result codes that callers tell apart; the low byte of the extended ones.
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_A_DATABASE: i32 = 26;

/// A failure of SQLite while it was doing something.
pub(super) fn log(doing: &'static str, error: &sqlx::Error) -> LogError {
    let kind = match code(error) {
        Some(FULL) => LogErrorKind::Full,
        Some(READONLY) => LogErrorKind::ReadOnly,
        _ => LogErrorKind::Other,
    };
    LogError { kind, doing, why: words(error) }
}

/// The same for the history.
pub(super) fn history(error: &sqlx::Error) -> HistoryError {
    HistoryError { why: words(error) }
}

/// The same for the registry.
pub(super) fn registry(error: &sqlx::Error) -> RegistryError {
    RegistryError { why: words(error) }
}

/// Whether the file is no database at all.
pub(super) fn is_no_database(error: &sqlx::Error) -> bool {
    code(error) == Some(NOT_A_DATABASE)
}

/// Whether the file is a damaged database.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    code(error) == Some(CORRUPT)
}

/// Whether the disk did not give what was asked of it. SQLite has then ended the transaction.
pub(super) fn is_io(error: &sqlx::Error) -> bool {
    code(error) == Some(IOERR)
}

/// What went wrong as a sentence for people.
pub(super) fn words(error: &sqlx::Error) -> String {
    match (code(error), error) {
        (Some(FULL), _) => "the disk is full".to_owned(),
        (Some(READONLY), _) => "the database may only be read".to_owned(),
        (_, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => {
            "the store is closed".to_owned()
        }
        (_, sqlx::Error::Database(error)) => error.message().to_owned(),
        (_, error) => error.to_string(),
    }
}

fn code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(error) = error else { return None };
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

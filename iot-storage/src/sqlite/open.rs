//! From an address to an open store. Everything that can be wrong is one sentence.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use iot_core::port::{Store, StoreError, StoreOptions};
use sqlx::SqliteConnection;

use super::checkpoint::Checkpoint;
use super::keeper::FileKeeper;
use super::lock::Lock;
use super::reserve::Reserve;
use super::shared::Shared;
use super::writer::Writer;
use super::{Limits, address, connect, error, folder, keeper, migrate};

/// The first SQLite without the race between two connections that reset the write-ahead log.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Opens the store that the options name, and makes what is missing.
///
/// # Errors
/// When it cannot be opened, with what to do.
pub async fn open(options: StoreOptions) -> Result<Store, StoreError> {
    open_with(options, Limits::default()).await
}

/// [`open`] with other limits of a segment, for tests and measurements.
///
/// # Errors
/// When it cannot be opened, with what to do.
pub async fn open_with(options: StoreOptions, limits: Limits) -> Result<Store, StoreError> {
    let (shared, folder, cap) = open_shared(options, limits).await?;
    Ok(Store {
        log: Arc::clone(&shared) as _,
        history: Arc::clone(&shared) as _,
        registry: Arc::clone(&shared) as _,
        keeper: Arc::new(FileKeeper::new(shared, folder, cap)),
    })
}

/// What is open, the folder, and the cap.
pub(super) async fn open_shared(
    options: StoreOptions,
    limits: Limits,
) -> Result<(Arc<Shared>, PathBuf, u64), StoreError> {
    let path = address::file(&options)?;
    let refuse = |why| StoreError { url: options.url.clone(), why };
    check_library().map_err(refuse)?;
    let folder = address::folder(&path).to_owned();
    folder::make(&folder).map_err(refuse)?;
    let lock = Lock::take(&folder).map_err(refuse)?;
    let new = folder::file(&path).map_err(refuse)?;
    let mut connection = connect::writer(&path, options.synchronous)
        .await
        .map_err(|error| refuse(opening(&path, &error)))?;
    migrate::run(&mut connection, &path, new).await.map_err(refuse)?;
    let reserve = Reserve::new(&folder);
    let cap = keeper::identity(&mut connection, &folder, options.disk_cap)
        .await
        .map_err(|error| refuse(opening(&path, &error)))?;
    let writer = Writer::open(connection, path.clone(), options.synchronous, limits)
        .await
        .map_err(|error| refuse(opening(&path, &error)))?;
    let checkpoint = Checkpoint::start(path.clone(), options.synchronous);
    let readers = connect::readers(&path);
    let shared = Arc::new(Shared::new(reserve, writer, readers, checkpoint, lock));
    Ok((shared, folder, cap))
}

#[expect(unsafe_code, reason = "a function without arguments that returns a constant")]
fn check_library() -> Result<(), String> {
    // SAFETY: sqlite3_libversion_number has no preconditions and touches no memory.
    let number = unsafe { libsqlite3_sys::sqlite3_libversion_number() };
    if number >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(format!(
        "this program was built with SQLite {}.{}.{}, which can damage a database that two \
         connections write; build it with 3.51.3 or newer",
        number / 1_000_000,
        number / 1000 % 1000,
        number % 1000
    ))
}

/// The sentence for a file that SQLite cannot open, or read at the start.
pub(super) fn opening(path: &Path, error: &sqlx::Error) -> String {
    if error::is_no_database(error) {
        folder::not_a_database(path)
    } else if error::is_damage(error) {
        format!(
            "{} is damaged: {}; it is left as it is; restore a copy, or move it away to begin anew",
            path.display(),
            error::words(error)
        )
    } else {
        format!("{} could not be opened: {}", path.display(), error::words(error))
    }
}

/// A value of the table `meta`, made where it is missing.
pub(super) async fn meta(
    connection: &mut SqliteConnection,
    key: &str,
    make: impl FnOnce() -> String,
) -> Result<String, sqlx::Error> {
    let found: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
        .bind(key)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(found) = found {
        return Ok(found);
    }
    let value = make();
    sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
        .bind(key)
        .bind(&value)
        .execute(connection)
        .await?;
    Ok(value)
}

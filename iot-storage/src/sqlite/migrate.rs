//! Brings the schema up to date: newer files are refused, older ones are copied first.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Row as _, SqliteConnection};

use super::{error, open};

/// The schema's steps, embedded when the program was built.
static STEPS: Migrator = sqlx::migrate!("./migrations");

/// Checks the file's version and applies what is missing; `new` when the file was empty.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    path: &Path,
    new: bool,
) -> Result<(), String> {
    let ours = STEPS.iter().map(|step| step.version).max().unwrap_or(0);
    let theirs = if new { None } else { version(connection, path).await? };
    match theirs {
        Some(theirs) if theirs > ours => return Err(newer(path, theirs, ours)),
        Some(theirs) if theirs == ours => {}
        Some(theirs) => backup(connection, path, theirs).await?,
        None => {}
    }
    STEPS.run_direct(None, connection, false).await.map_err(|error| {
        format!(
            "the schema of {} could not be brought up to date: {error}; the file is as it was before \
             that step",
            path.display()
        )
    })
}

/// The newest step that was applied; none where the file was never ours.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<Option<i64>, String> {
    let failed = |error: sqlx::Error| open::opening(path, &error);
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|name| name == "_sqlx_migrations") {
        return Err(format!(
            "{} is a database of another program, and is left as it is; name another file",
            path.display()
        ));
    }
    sqlx::query("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)
}

fn newer(path: &Path, theirs: i64, ours: i64) -> String {
    format!(
        "{} was made by a newer version of the gateway (schema {theirs}, this one knows {ours}); \
         start that version, or restore the copy beside it that was made before the update",
        path.display()
    )
}

/// Copies the file before its schema changes. The copy's name does not end in `.db`.
async fn backup(
    connection: &mut SqliteConnection,
    path: &Path,
    version: i64,
) -> Result<(), String> {
    let copy = backup_path(path, version);
    let failed = |why: String| {
        format!(
            "the schema has to change and {} could not be made first: {why}; make room, or move \
             that file away",
            copy.display()
        )
    };
    // A copy that was cut short by a crash would stop VACUUM INTO; a whole one is made again.
    match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(error.to_string()));
        }
        _ => {}
    }
    let name = copy.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(connection)
        .await
        .map_err(|error| failed(error::words(&error)))?;
    tracing::info!(copy = %copy.display(), "the database was copied before its schema changes");
    Ok(())
}

fn backup_path(path: &Path, version: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-{}", version + 1));
    name.into()
}

#[cfg(test)]
mod tests {
    use iot_core::port::Synchronous;
    use sqlx::Connection as _;

    use super::*;
    use crate::sqlite::connect;

    #[tokio::test]
    async fn the_file_is_copied_before_its_schema_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iot.db");
        std::fs::write(&path, "").unwrap();
        let mut connection = connect::writer(&path, Synchronous::Full).await.unwrap();
        run(&mut connection, &path, true).await.unwrap();
        sqlx::query("INSERT INTO meta VALUES ('colour', 'blue')")
            .execute(&mut connection)
            .await
            .unwrap();
        let copy = folder.path().join("iot.db.before-2");
        // One that a crash cut short does not stand in the way.
        std::fs::write(&copy, "half a copy").unwrap();
        backup(&mut connection, &path, 1).await.unwrap();
        let mut copied = connect::checkpointer(&copy, Synchronous::Full).await.unwrap();
        let colour: String =
            sqlx::query_scalar("SELECT value FROM meta").fetch_one(&mut copied).await.unwrap();
        assert_eq!(colour, "blue");
        // Nothing to do is nothing done.
        run(&mut connection, &path, false).await.unwrap();
        assert_eq!(version(&mut connection, &path).await, Ok(Some(1)));
        copied.close().await.unwrap();
    }
}

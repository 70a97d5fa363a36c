//! The data folder (0700) and the database's file (0600), made where they are missing.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What the first bytes of a database say; an empty file is a new one.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Makes the folder and its `tmp/`.
pub(super) fn make(folder: &Path) -> Result<(), String> {
    for path in [folder, &folder.join("tmp")] {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| match error
            .kind()
        {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => unwritable(folder),
            _ => format!("the folder {} could not be made: {error}", path.display()),
        })?;
    }
    Ok(())
}

/// Makes the file where it is missing; says whether it is new, or why it cannot be a database.
pub(super) fn file(path: &Path) -> Result<bool, String> {
    let folder = super::address::folder(path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => unwritable(folder),
            ErrorKind::IsADirectory => format!("{} is a folder, not a database", path.display()),
            _ => format!("{} could not be opened: {error}", path.display()),
        })?;
    let mut head = Vec::new();
    file.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(|error| format!("{} could not be read: {error}", path.display()))?;
    match head.as_slice() {
        [] => Ok(true),
        MAGIC => Ok(false),
        _ => Err(not_a_database(path)),
    }
}

/// The sentence for a file that holds something else.
pub(super) fn not_a_database(path: &Path) -> String {
    format!(
        "{} is not an SQLite database, and is left as it is; move it away, or name another file",
        path.display()
    )
}

/// The sentence for a folder that may only be read.
pub(super) fn unwritable(folder: &Path) -> String {
    format!(
        "the folder {} cannot be written; give it to the user that runs the gateway, or choose \
         another one",
        folder.display()
    )
}

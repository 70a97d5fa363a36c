//! `lock` beside the database: held while the store is open, it names the process that holds it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock of a folder, or says in one sentence who has it.
    pub(super) fn take(folder: &Path) -> Result<Self, String> {
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    super::folder::unwritable(folder)
                }
                _ => format!("{} could not be opened: {error}", path.display()),
            })?;
        let mut held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => held,
            Err((file, Errno::EWOULDBLOCK)) => return Err(taken(folder, file)),
            Err((_, errno)) => {
                return Err(format!("{} could not be locked: {errno}", path.display()));
            }
        };
        let text =
            format!("{}\nheld by the gateway that has this folder open\n", std::process::id());
        held.set_len(0)
            .and_then(|()| held.write_all(text.as_bytes()))
            .map_err(|error| format!("{} could not be written: {error}", path.display()))?;
        Ok(Self { _held: held })
    }
}

fn taken(folder: &Path, mut file: File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let pid = text.lines().next().filter(|pid| read.is_ok() && pid.parse::<u32>().is_ok());
    match pid {
        Some(pid) => format!(
            "the folder {} is in use by process {pid}; stop it, or choose another folder",
            folder.display()
        ),
        None => format!(
            "the folder {} is in use by another process; stop it, or choose another folder",
            folder.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_come_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let why = Lock::take(folder.path()).unwrap_err();
        assert!(why.contains(&format!("process {}", std::process::id())), "{why}");
        drop(first);
        Lock::take(folder.path()).unwrap();
    }
}

//! `reserve` beside the database: room that is given up when the disk is full, so that removing
//! readings and closing in order still work (a DELETE needs room too).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

/// How much is held back: twice what a large transaction writes.
const SIZE: u64 = 4 << 20;

/// Where the reserve of a folder lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("reserve")
}

/// Makes the reserve where there is room for it; the log says where there is none.
pub(super) fn make(folder: &Path) {
    let path = path(folder);
    if let Err(error) = allocate(&path) {
        tracing::warn!(path = %path.display(), %error, "there is no room for the reserve file");
        discard(&path);
    }
}

/// Gives the room back to the disk. True when there was a reserve.
pub(super) fn release(folder: &Path) -> bool {
    let path = path(folder);
    if std::fs::remove_file(&path).is_err() {
        return false;
    }
    tracing::warn!(path = %path.display(), "the disk is full, the reserve file is given up");
    true
}

fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), %error, "a partial reserve file stays");
    }
}

fn allocate(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() >= SIZE) {
        return Ok(());
    }
    let file: File =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, SIZE as i64) {
        Ok(()) => file.sync_all(),
        Err(nix::errno::Errno::EOPNOTSUPP) => zeros(file),
        Err(errno) => Err(errno.into()),
    }
}

/// On a file system that cannot set room aside, zeros do it.
fn zeros(mut file: File) -> std::io::Result<()> {
    use std::io::Write as _;
    let block = [0_u8; 64 * 1024];
    for _ in 0..SIZE / block.len() as u64 {
        file.write_all(&block)?;
    }
    file.sync_all()
}

//! `reserve` beside the database: room that is given up when the disk is full, so that removing
//! readings and closing in order still work (a DELETE needs room too).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};

/// How much is held back: twice what a large transaction writes.
const SIZE: u64 = 4 << 20;

/// How often it is tried to make it again.
const AGAIN: Duration = Duration::from_secs(60);
/// So much has to be free before it is made again: what was just freed is for the readings.
const ROOM: u64 = 4 * SIZE;

/// The reserve of an open store.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: PathBuf,
    /// Since when it is missing, or when it was last tried; none while it is there.
    missing: Mutex<Option<Instant>>,
}

impl Reserve {
    /// Makes it where there is room.
    pub(super) fn new(folder: &Path) -> Self {
        let missing = (!make(folder)).then(Instant::now);
        Self { folder: folder.to_owned(), missing: Mutex::new(missing) }
    }

    /// Gives the room back to the disk. True when there was a reserve.
    pub(super) fn release(&self) -> bool {
        let released = release(&self.folder);
        self.missing().get_or_insert_with(Instant::now);
        released
    }

    /// After a commit that went through: makes it again where it is missing and there is room, at most
    /// once a minute.
    pub(super) async fn keep(&self) {
        self.keep_at(Instant::now()).await;
    }

    async fn keep_at(&self, now: Instant) {
        match &mut *self.missing() {
            Some(since) if now.saturating_duration_since(*since) >= AGAIN => *since = now,
            _ => return,
        }
        let folder = self.folder.clone();
        let made = tokio::task::spawn_blocking(move || has_room(&folder) && make(&folder)).await;
        if made.is_ok_and(|made| made) {
            *self.missing() = None;
            tracing::info!("there is room again, the reserve file is made again");
        }
    }

    fn missing(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_room(folder: &Path) -> bool {
    nix::sys::statvfs::statvfs(folder).is_ok_and(|disk| {
        u128::from(disk.blocks_available()) * u128::from(disk.fragment_size()) >= u128::from(ROOM)
    })
}

/// Where the reserve of a folder lies.
fn path(folder: &Path) -> PathBuf {
    folder.join("reserve")
}

/// Makes the reserve where there is room for it; the log says where there is none.
fn make(folder: &Path) -> bool {
    let path = path(folder);
    if let Err(error) = allocate(&path) {
        tracing::warn!(path = %path.display(), %error, "there is no room for the reserve file");
        discard(&path);
        return false;
    }
    true
}

fn release(folder: &Path) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_made_again_a_minute_after_it_was_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        let there = || std::fs::metadata(path(folder.path())).is_ok_and(|f| f.len() >= SIZE);
        assert!(there());
        reserve.keep_at(Instant::now() + AGAIN * 2).await;
        assert!(reserve.release() && !there());
        assert!(!reserve.release());
        reserve.keep_at(Instant::now()).await;
        assert!(!there());
        reserve.keep_at(Instant::now() + AGAIN).await;
        assert!(there());
        assert!(reserve.release() && !there());
    }
}

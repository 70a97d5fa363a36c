//! Room on disk, and the end of a store.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use iot_core::port::{Keeper, Usage};
use sqlx::SqliteConnection;

use super::open;
use super::shared::{Shared, lock};

/// How long a measured size is good for.
const FRESH: Duration = Duration::from_secs(5);

/// How long the end may take altogether: who stops a gateway waits for it. What did not come home by
/// then lies in the write-ahead log, and the next start brings it.
const CLOSING: Duration = Duration::from_millis(700);
/// How long of that readers may take.
const READERS: Duration = Duration::from_millis(200);

/// Keeps the files of a store.
pub(super) struct FileKeeper {
    shared: Arc<Shared>,
    folder: PathBuf,
    cap: u64,
    used: Mutex<Option<(Instant, u64)>>,
}

impl FileKeeper {
    /// A keeper of this folder.
    pub(super) fn new(shared: Arc<Shared>, folder: PathBuf, cap: u64) -> Self {
        Self { shared, folder, cap, used: Mutex::new(None) }
    }
}

#[async_trait]
impl Keeper for FileKeeper {
    fn usage(&self) -> Usage {
        let mut known = lock(&self.used);
        let used = match *known {
            Some((at, used)) if at.elapsed() < FRESH => used,
            _ => {
                let used = size(&self.folder);
                *known = Some((Instant::now(), used));
                used
            }
        };
        Usage { used, cap: self.cap }
    }

    async fn close(&self) {
        if tokio::time::timeout(CLOSING, self.finish()).await.is_err() {
            tracing::warn!("the store did not close in time; the next start makes up for it");
            let Ok(mut writer) = self.shared.writer.try_lock() else {
                // A commit is at work; the folder stays locked until it is over.
                return;
            };
            writer.abandon();
        }
        drop(lock(&self.shared.held).take());
    }
}

impl FileKeeper {
    async fn finish(&self) {
        self.shared.checkpoint.stop().await;
        if tokio::time::timeout(READERS, self.shared.readers.close()).await.is_err() {
            tracing::debug!("somebody still reads while the store closes");
        }
        self.shared.writer.lock().await.close().await;
    }
}

/// Makes the gateway's identity at the first start, and the cap where none is configured: half of
/// what was free then. Gives the cap.
pub(super) async fn identity(
    connection: &mut SqliteConnection,
    folder: &Path,
    cap: Option<u64>,
) -> Result<u64, sqlx::Error> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    open::meta(connection, "gateway_id", || format!("gw-{:08x}", u32::from_be_bytes(random)))
        .await?;
    let half = open::meta(connection, "disk_cap", || half_of_free(folder).to_string()).await?;
    Ok(cap.unwrap_or_else(|| half.parse().unwrap_or(u64::MAX)))
}

fn half_of_free(folder: &Path) -> u64 {
    match nix::sys::statvfs::statvfs(folder) {
        Ok(disk) => {
            let free = u128::from(disk.blocks_available()) * u128::from(disk.fragment_size());
            u64::try_from(free / 2).unwrap_or(u64::MAX)
        }
        Err(errno) => {
            tracing::warn!(folder = %folder.display(), %errno, "the free room cannot be measured");
            u64::MAX
        }
    }
}

/// Bytes of a folder with all that is in it. A file that goes away meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use iot_core::port::{StoreOptions, Synchronous};

    use super::super::Limits;
    use super::super::lock::Lock;
    use super::*;

    #[tokio::test]
    async fn a_commit_at_work_does_not_hold_up_the_end_and_keeps_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            url: "sqlite:iot.db".to_owned(),
            data_dir: folder.path().to_owned(),
            synchronous: Synchronous::Normal,
            disk_cap: None,
        };
        let (shared, at, cap) = open::open_shared(options, Limits::default()).await.unwrap();
        let keeper = FileKeeper::new(Arc::clone(&shared), at, cap);
        let commit = shared.writer.lock().await;
        let begin = Instant::now();
        keeper.close().await;
        assert!(begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
        assert!(Lock::take(folder.path()).is_err());
        drop(commit);
        keeper.close().await;
        Lock::take(folder.path()).unwrap();
    }
}

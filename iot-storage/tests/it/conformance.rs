//! The suites of the ports, run against SQLite.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use iot_core::port::{Store, StoreOptions, Synchronous};
use iot_storage::sqlite::{Limits, open_with};
use iot_testkit::conformance::{history_suite, log_suite, registry_suite};

/// An empty store in a folder of its own below `root`.
async fn fresh(root: &Path, limits: Limits) -> Store {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let options = StoreOptions {
        url: "sqlite:iot.db".to_owned(),
        data_dir: root.join(MADE.fetch_add(1, Ordering::Relaxed).to_string()),
        synchronous: Synchronous::Normal,
        disk_cap: None,
    };
    open_with(options, limits).await.unwrap()
}

/// Segments so small that the clauses go over many of them.
const SMALL: Limits = Limits { readings: 20, bytes: 100_000 };
const LESS_SMALL: Limits = Limits { readings: 200, bytes: 100_000 };

#[tokio::test]
async fn the_log_keeps_its_promises() {
    let root = tempfile::tempdir().unwrap();
    log_suite(async || fresh(root.path(), Limits::default()).await).await;
}

#[tokio::test]
async fn the_log_keeps_its_promises_over_many_segments() {
    let root = tempfile::tempdir().unwrap();
    log_suite(async || fresh(root.path(), SMALL).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_keeps_its_promises() {
    let root = tempfile::tempdir().unwrap();
    history_suite(async || fresh(root.path(), Limits::default()).await).await;
}

#[tokio::test]
async fn the_history_keeps_its_promises_over_many_segments() {
    let root = tempfile::tempdir().unwrap();
    history_suite(async || fresh(root.path(), LESS_SMALL).await).await;
}

#[tokio::test]
async fn the_registry_keeps_its_promises() {
    let root = tempfile::tempdir().unwrap();
    registry_suite(async || fresh(root.path(), Limits::default()).await).await;
}

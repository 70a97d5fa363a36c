//! The store that the simulation stands on keeps the same promises as a real one.

use std::sync::atomic::{AtomicU32, Ordering};

use iot_core::port::Store;
use iot_testkit::conformance::{history_suite, log_suite, registry_suite};
use iot_testkit::memory::Memory;

async fn fresh() -> Store {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Memory::named(&format!("conformance-{}", NEXT.fetch_add(1, Ordering::Relaxed))).store()
}

#[tokio::test]
async fn it_is_a_log() {
    log_suite(fresh).await;
}

#[tokio::test]
async fn it_is_a_history() {
    history_suite(fresh).await;
}

#[tokio::test]
async fn it_is_a_registry() {
    registry_suite(fresh).await;
}

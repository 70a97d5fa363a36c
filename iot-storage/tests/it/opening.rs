//! What can be wrong with a folder or a file is one sentence; what is missing is made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use iot_core::domain::Seq;
use iot_core::port::{Commit, StoreError, StoreOptions};

use crate::world::{World, open, options, shell};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn one_sentence(error: &StoreError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 500, "{text}");
    text
}

#[tokio::test]
async fn the_folder_and_its_files_are_made_for_their_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("deep/data");
    let store = open(&folder).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    for file in ["iot.db", "iot.db-wal", "iot.db-shm", "lock", "reserve"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    assert!(folder.join("tmp").is_dir());
    assert!(fs::metadata(folder.join("reserve")).unwrap().len() >= 4 << 20);
    let pid = std::process::id().to_string();
    assert_eq!(fs::read_to_string(folder.join("lock")).unwrap().lines().next(), Some(&*pid));
    let usage = store.keeper.usage();
    assert!(usage.used > 4 << 20 && usage.cap > 0, "{usage:?}");
    store.keeper.close().await;
    let databases = fs::read_dir(&folder).unwrap().flatten();
    let databases = databases.filter(|f| f.file_name().to_string_lossy().ends_with(".db")).count();
    assert_eq!(databases, 1);
}

#[tokio::test]
async fn the_file_is_shaped_before_its_first_table() {
    let w = World::new().await;
    assert_eq!(
        w.shell("PRAGMA page_size; PRAGMA auto_vacuum; PRAGMA journal_mode"),
        "4096\n0\nwal"
    );
}

#[tokio::test]
async fn an_absolute_address_is_taken_as_it_is() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("sqlite:{}/x.db", other.path().display());
    let asked = StoreOptions { url, disk_cap: Some(77), ..options(data.path()) };
    let store = iot_storage::sqlite::open(asked).await.unwrap();
    assert!(other.path().join("x.db").exists() && other.path().join("lock").exists());
    assert!(fs::read_dir(data.path()).unwrap().next().is_none());
    assert_eq!(store.keeper.usage().cap, 77);
}

#[tokio::test]
async fn a_second_opener_is_refused_and_told_who_has_it() {
    let w = World::new().await;
    let text = one_sentence(&open(w.folder.path()).await.unwrap_err());
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    w.store.keeper.close().await;
    open(w.folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_store_lets_the_next_one_in() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        drop(open(folder.path()).await.unwrap());
    }
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_as_it_is() {
    let w = World::new().await;
    w.store.keeper.close().await;
    w.tamper("UPDATE _sqlx_migrations SET version = 99");
    let before = fs::read(w.database()).unwrap();
    let text = one_sentence(&open(w.folder.path()).await.unwrap_err());
    assert!(text.contains("newer version") && text.contains("start that version"), "{text}");
    assert_eq!(fs::read(w.database()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iot.db");
    for (content, says) in [
        (b"a shopping list".to_vec(), "not an SQLite database"),
        ([&b"SQLite format 3\0"[..], &[7_u8; 5000]].concat(), "not an SQLite database"),
    ] {
        fs::write(&path, &content).unwrap();
        let text = one_sentence(&open(folder.path()).await.unwrap_err());
        assert!(text.contains(says), "{text}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    shell(&path, false, "CREATE TABLE diary (day)");
    let text = one_sentence(&open(folder.path()).await.unwrap_err());
    assert!(text.contains("another program"), "{text}");
    assert_eq!(shell(&path, true, ".tables"), "diary");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let text = one_sentence(&open(&root.path().join("file/data")).await.unwrap_err());
    assert!(text.contains("file/data"), "{text}");
    fs::create_dir_all(root.path().join("other/iot.db")).unwrap();
    let text = one_sentence(&open(&root.path().join("other")).await.unwrap_err());
    assert!(text.contains("is a folder"), "{text}");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let w = World::new().await;
    w.store.keeper.close().await;
    let error = w.store.log.commit(&Commit { first: Seq(1), ..Commit::default() }).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert!(w.store.log.end().await.unwrap_err().to_string().contains("closed"));
    let error = w.store.registry.devices().await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(shell(&w.database(), true, "PRAGMA integrity_check"), "ok");
    assert_eq!(fs::metadata(w.folder.path().join("iot.db-wal")).map_or(0, |f| f.len()), 0);
}

#[tokio::test]
async fn the_identity_and_the_cap_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let store = open(folder.path()).await.unwrap();
        seen.push((store.registry.gateway_id().await.unwrap(), store.keeper.usage().cap));
        store.keeper.close().await;
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0.starts_with("gw-") && seen[0].0.len() == 11, "{}", seen[0].0);
}

#[tokio::test]
async fn a_reader_in_an_old_snapshot_does_not_hold_up_the_end() {
    use sqlx::Connection as _;
    let w = World::new().await;
    w.put(vec![w.reading(0, 0, 1.0)]).await;
    let url = format!("sqlite:{}", w.database().display());
    let mut reader = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM log_1").execute(&mut reader).await.unwrap();
    for n in 1..50 {
        w.put(vec![w.reading(0, n, 1.0)]).await;
    }
    let begin = std::time::Instant::now();
    w.store.keeper.close().await;
    let took = begin.elapsed();
    assert!(took < std::time::Duration::from_millis(1_500), "{took:?}");
    // The one who reads is still there when the next start comes.
    let store = open(w.folder.path()).await.unwrap();
    let w = World { store, ..w };
    assert_eq!(w.log().await.len(), 50);
    sqlx::raw_sql("ROLLBACK").execute(&mut reader).await.unwrap();
    reader.close().await.unwrap();
    w.put(vec![w.reading(0, 99, 1.0)]).await;
    w.assert_ledger().await;
}

//! Failures cost what failed, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{BootId, Reading, SettingKey, TimeQuality, TimeRange};
use iot_core::port::{Buckets, Change, Commit, Grid};
use serde_json::json;

use crate::world::{World, point};

#[tokio::test]
async fn a_failed_commit_leaves_nothing_and_the_next_one_works() {
    let w = World::new().await;
    w.put(vec![w.reading(0, 0, 1.0)]).await;
    w.tamper(
        "CREATE TRIGGER stop BEFORE INSERT ON log_1 BEGIN SELECT RAISE(ABORT, 'no more'); END",
    );
    let change = || vec![Change::PutSetting(SettingKey::Language, Some(json!("ru")))];
    for _ in 0..3 {
        let failed = w.commit(vec![w.reading(0, 1, 2.0)], change()).await;
        assert!(failed.unwrap_err().to_string().contains("no more"));
        assert_eq!(w.store.log.end().await.unwrap().0, 1);
        assert_eq!(w.store.registry.settings().await.unwrap(), []);
    }
    w.tamper("DROP TRIGGER stop");
    let committed = w.commit(vec![w.reading(0, 1, 2.0)], change()).await.unwrap();
    assert_eq!(committed.figures.stored, 2);
    assert_eq!(w.store.registry.settings().await.unwrap().len(), 1);
    let latest = w.store.history.latest().await.unwrap();
    assert_eq!(latest, [(w.sensors[0].no, point(&w.reading(0, 1, 2.0)))]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_failed_removal_gives_back_what_it_struck() {
    let w = World::new().await;
    w.put(vec![w.reading(0, 0, 1.0), w.reading(0, 9, 2.0)]).await;
    w.tamper("CREATE TRIGGER stop BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END");
    let sensor = w.sensors[0].no;
    let remove = || vec![Change::RemoveReadings { sensor, range: TimeRange::ALL }];
    assert!(w.commit(Vec::new(), remove()).await.is_err());
    assert_eq!(w.store.log.figures().await.unwrap().kept, 2);
    assert_eq!(w.store.history.latest().await.unwrap().len(), 1);
    w.assert_ledger().await;
    w.tamper("DROP TRIGGER stop");
    w.commit(Vec::new(), remove()).await.unwrap();
    assert_eq!(w.store.history.latest().await.unwrap(), []);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_caller_that_is_cut_off_leaves_all_of_its_commit_or_nothing() {
    let w = World::new().await;
    let mut wanted = Vec::new();
    for n in 0..60_i64 {
        let batch: Vec<Reading> = (0..20).map(|i| w.reading(0, n * 100 + i, 0.25)).collect();
        let first = w.store.log.end().await.unwrap().plus(1);
        let change = Change::PutSetting(SettingKey::GatewayName, Some(json!(n.to_string())));
        let commit = Commit {
            first,
            batches: vec![Arc::from(batch.clone())],
            changes: vec![change],
            ..Commit::default()
        };
        let limit = Duration::from_micros(u64::try_from(n).unwrap() * 20);
        let cut = tokio::time::timeout(limit, w.store.log.commit(&commit)).await.is_err();
        let end = w.store.log.end().await.unwrap();
        let there = end.0 == first.0 + 19;
        assert!(there || (cut && end.plus(1) == first), "{n}: {end} after {first}");
        if there {
            wanted.extend(batch.iter().map(point));
            assert_eq!(w.store.registry.settings().await.unwrap()[0].1, json!(n.to_string()));
        }
    }
    let seen: Vec<_> = w.log().await.into_iter().map(|logged| logged.point).collect();
    assert_eq!(seen, wanted);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_damaged_row_costs_itself() {
    let w = World::new().await;
    for n in 0..5 {
        w.put(vec![w.reading(0, n * 10, 1.0), w.reading(0, n * 10 + 1, 1.0)]).await;
    }
    w.tamper("UPDATE log_1 SET body = replace(body, '1.0', '2.0') WHERE seq_first = 5");
    w.tamper("UPDATE log_1 SET body = 'rubbish [10, here' WHERE seq_first = 7");
    let seqs: Vec<u64> = w.log().await.iter().map(|logged| logged.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 9, 10]);
    let sensor = w.sensors[0].no;
    let raw = w.store.history.raw(sensor, TimeRange::ALL, None, 100).await.unwrap();
    assert_eq!(raw.points.len(), 6);
    let what = Buckets { range: TimeRange::ALL, grid: Grid::Width(1_000_000) };
    let page = w.store.history.buckets(sensor, &what, None).await.unwrap();
    assert_eq!(page.buckets[0].count, 6);
    w.put(vec![w.reading(0, 99, 3.0)]).await;
    let range = TimeRange::ALL;
    w.commit(Vec::new(), vec![Change::RemoveReadings { sensor, range }]).await.unwrap();
    assert_eq!(w.log().await, []);
    let w = w.again(Default::default()).await;
    assert_eq!(w.store.log.end().await.unwrap().0, 11);
}

#[tokio::test]
async fn a_clock_that_ran_ahead_is_put_right_in_latest_values() {
    let w = World::new().await;
    let ahead = |us| Reading {
        time: TimeQuality::Unsynced { boot: BootId(4), monotonic_us: us },
        ..w.reading(0, 1_000_000 + us, 9.0)
    };
    w.put(vec![w.reading(0, 500, 1.0), ahead(1), ahead(2)]).await;
    let correct = Change::CorrectTime(BootId(4), crate::world::at(0).as_micros());
    w.commit(Vec::new(), vec![correct]).await.unwrap();
    let newest = || async { w.store.history.latest().await.unwrap()[0].1.clone() };
    assert_eq!(newest().await, point(&w.reading(0, 500, 1.0)));
    w.put(vec![w.reading(0, 501, 2.0)]).await;
    assert_eq!(newest().await, point(&w.reading(0, 501, 2.0)));
}

//! Failures cost what failed, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{
    AuditEntry, BootId, DeviceNo, Reading, Sensor, SensorId, SensorKey, SensorNo, SettingKey,
    TimeQuality, TimeRange,
};
use iot_core::port::{Buckets, Change, Commit, Grid};
use iot_storage::sqlite::{Limits, open_with};
use serde_json::json;

use crate::world::{World, at, point};

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
    let correct = Change::CorrectTime(BootId(4), at(0).as_micros());
    w.commit(Vec::new(), vec![correct]).await.unwrap();
    let newest = || async { w.store.history.latest().await.unwrap()[0].1.clone() };
    assert_eq!(newest().await, point(&w.reading(0, 500, 1.0)));
    w.put(vec![w.reading(0, 501, 2.0)]).await;
    assert_eq!(newest().await, point(&w.reading(0, 501, 2.0)));
}

#[tokio::test]
async fn a_removal_takes_what_came_with_it_and_leaves_the_rest() {
    let mut w = World::with(Limits { readings: 4, bytes: 1 << 20 }).await;
    w.put(vec![w.reading(0, 0, 1.0), w.reading(1, 0, true)]).await;
    let (sensor, range) = (w.sensors[0].no, TimeRange { from: at(5), to: at(90) });
    // A sensor that comes with its readings, and a segment that is full.
    let new = Arc::new(Sensor { no: SensorNo(99), ..Sensor::clone(&w.sensors[3]) });
    let new = Arc::new(Sensor {
        id: SensorId { key: SensorKey::parse("new").unwrap(), ..new.id.clone() },
        ..Sensor::clone(&new)
    });
    let of_new = Reading { sensor: Arc::clone(&new), ..w.reading(3, 7, 7.0) };
    let changes = vec![Change::RemoveReadings { sensor, range }, Change::PutSensor(new)];
    let batch =
        vec![w.reading(0, 6, 2.0), of_new.clone(), w.reading(0, 95, 3.0), w.reading(0, 89, 4.0)];
    let figures = w.commit(batch, changes).await.unwrap().figures;
    assert_eq!((figures.stored, figures.kept, figures.removed.by_hand), (6, 4, 2));
    let changes = vec![
        Change::RemoveReadings { sensor, range: TimeRange { from: at(90), to: at(99) } },
        Change::RemoveDevice { no: DeviceNo(2), history: true },
    ];
    w.commit(vec![w.reading(0, 98, 5.0), w.reading(1, 98, false), of_new], changes).await.unwrap();
    for _ in 0..2 {
        assert_eq!(w.log().await.iter().map(|l| l.seq.0).collect::<Vec<_>>(), [1, 2, 8]);
        let latest = w.store.history.latest().await.unwrap();
        let wanted = [
            (sensor, point(&w.reading(0, 0, 1.0))),
            (w.sensors[1].no, point(&w.reading(1, 98, false))),
        ];
        assert_eq!(latest, wanted);
        w.assert_ledger().await;
        w = w.again(Limits { readings: 4, bytes: 1 << 20 }).await;
    }
}

#[tokio::test]
async fn a_device_of_many_sensors_is_removed_in_one_pass() {
    let w = World::with(Limits { readings: 150, bytes: 1 << 20 }).await;
    let sensors: Vec<Arc<Sensor>> = (0..60)
        .map(|n| {
            let key = SensorKey::parse(&format!("many{n}")).unwrap();
            let id = SensorId { key, ..w.sensors[3].id.clone() };
            Arc::new(Sensor { no: SensorNo(100 + n), id, ..Sensor::clone(&w.sensors[3]) })
        })
        .collect();
    w.commit(Vec::new(), sensors.iter().cloned().map(Change::PutSensor).collect()).await.unwrap();
    for n in 0..10 {
        let mut batch = vec![w.reading(0, n, 1.0)];
        let of =
            |sensor: &Arc<Sensor>| Reading { sensor: Arc::clone(sensor), ..w.reading(3, n, 2.0) };
        batch.extend(sensors.iter().map(of));
        w.put(batch).await;
    }
    let remove = Change::RemoveDevice { no: DeviceNo(2), history: true };
    let figures = w.commit(Vec::new(), vec![remove]).await.unwrap().figures;
    assert_eq!((figures.stored, figures.kept, figures.removed.by_hand), (610, 10, 600));
    assert_eq!(w.store.history.latest().await.unwrap().len(), 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_damaged_segment_costs_itself_and_changes_go_on() {
    const TINY: Limits = Limits { readings: 4, bytes: 1 << 20 };
    let w = World::with(TINY).await;
    let early = |us| Reading {
        time: TimeQuality::Unsynced { boot: BootId(4), monotonic_us: us },
        ..w.reading(0, us, 9.0)
    };
    for n in 0..6 {
        w.put(vec![early(n * 10), early(n * 10 + 1)]).await;
    }
    w.put(vec![w.reading(1, 0, true)]).await;
    let root: u64 =
        w.shell("SELECT rootpage FROM sqlite_master WHERE name = 'log_2'").parse().unwrap();
    w.store.keeper.close().await;
    let file = std::fs::OpenOptions::new().write(true).open(w.database()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xAA; 4096], (root - 1) * 4096).unwrap();
    let store = open_with(crate::world::options(w.folder.path()), TINY).await.unwrap();
    let w = World { store, ..w };
    let correct = Change::CorrectTime(BootId(4), at(1_000).as_micros());
    w.commit(vec![w.reading(1, 1, false)], vec![correct]).await.unwrap();
    let sensor = w.sensors[0].no;
    let latest = w.store.history.latest().await.unwrap();
    assert_eq!((latest[0].0, latest[0].1.ts), (sensor, at(1_051)));
    let range = TimeRange { from: at(0), to: at(1_050) };
    let committed =
        w.commit(vec![w.reading(1, 2, true)], vec![Change::RemoveReadings { sensor, range }]).await;
    // Of the other segments' eight, all but the two of 50 and 51.
    let figures = committed.unwrap().figures;
    assert_eq!((figures.stored, figures.removed.by_hand), (15, 6));
    assert_eq!(w.store.log.end().await.unwrap().0, 15);
}

#[tokio::test]
async fn a_body_that_is_no_text_costs_its_row() {
    let w = World::new().await;
    for n in 0..3 {
        w.put(vec![w.reading(0, n, 1.0)]).await;
    }
    w.tamper("UPDATE log_1 SET body = CAST(x'5b31302cff' AS TEXT) WHERE seq_first = 2");
    assert_eq!(w.log().await.len(), 2);
    let (sensor, range) = (w.sensors[0].no, TimeRange::ALL);
    let remove = vec![Change::RemoveReadings { sensor, range }];
    assert_eq!(w.commit(Vec::new(), remove).await.unwrap().figures.removed.by_hand, 2);
    let w = w.again(Default::default()).await;
    assert_eq!(w.store.log.end().await.unwrap().0, 3);
}

#[tokio::test]
async fn audit_entries_have_a_bound_in_age_and_in_number() {
    let w = World::new().await;
    let day = 24 * 3600 * 1_000_000;
    let entry = |at| AuditEntry {
        at,
        principal: "api".to_owned(),
        action: "look".to_owned(),
        target: "it".to_owned(),
        outcome: "done".to_owned(),
        detail: None,
    };
    let ages = [91 * day, 90 * day + 1, 90 * day - 1, day, 0];
    w.commit(Vec::new(), ages.iter().map(|age| Change::Audit(entry(at(-age)))).collect())
        .await
        .unwrap();
    let forget = || vec![Change::ForgetCommands(at(-day))];
    w.commit(Vec::new(), forget()).await.unwrap();
    assert_eq!(w.shell("SELECT count(*) FROM audit"), "3");
    w.tamper(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) \
         INSERT INTO audit (at, principal, action, target, outcome) \
         SELECT {}, 'p', 'a', 't', 'o' FROM n",
        at(0).as_micros()
    ));
    w.commit(Vec::new(), forget()).await.unwrap();
    assert_eq!(w.shell("SELECT count(*), min(id) FROM audit"), "100000|5");
}

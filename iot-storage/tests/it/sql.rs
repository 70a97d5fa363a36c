//! What people and Grafana see, through the plain `sqlite3` shell beside the open store.

use std::sync::Arc;

use iot_core::domain::{BootId, DeviceNo, DeviceState, Quality, Reading, TimeQuality, TimeRange};
use iot_core::port::{Change, Commit};

use crate::world::{World, at, device};

#[tokio::test]
async fn the_view_shows_what_was_committed() {
    let w = World::new().await;
    let suspect = Reading { quality: Quality::Suspect("odd".into()), ..w.reading(3, 7, 1e-7) };
    let bad =
        Reading { value: None, quality: Quality::Bad("gone".into()), ..w.reading(3, 1_500, 0.0) };
    w.put(vec![w.reading(0, 0, 21.5), w.reading(1, 1_000, true), w.reading(2, 2_000, "it's ☂")])
        .await;
    w.put(vec![suspect, bad, w.reading(1, 5, false), w.reading(0, -1, -3.0)]).await;
    let seen = w.shell(
        "SELECT seq, device_id, key, ts - 1700000000000000, quote(value), quality, batch_seq \
         FROM device_data ORDER BY seq",
    );
    let expected = "\
1|attic|temperature|0|21.5|good|1
2|attic|door|1000|1|good|1
3|attic|note|2000|'it''s ☂'|good|1
4|cellar|temperature|7|1.0e-07|suspect|4
5|cellar|temperature|1500|NULL|bad|4
6|attic|door|5|0|good|4
7|attic|temperature|-1|-3.0|good|4";
    assert_eq!(seen, expected);
    let newest = w.shell("SELECT max(batch_t_max) - 1700000000000000 FROM device_data");
    assert_eq!(newest, "2000");
    w.assert_ledger().await;
}

#[tokio::test]
async fn the_views_have_the_columns_that_were_promised() {
    let w = World::new().await;
    let columns = |view: &str| {
        w.shell(&format!("SELECT group_concat(name, ', ') FROM pragma_table_info('{view}')"))
    };
    assert_eq!(
        columns("devices"),
        "device_id, name, kind, home, state, manufacturer, model, area, created, last_seen"
    );
    assert_eq!(columns("sensors"), "sensor_id, device_id, key, name, type, unit");
    assert_eq!(
        columns("plugin_registry"),
        "kind, version, door, path, hash, grants, state, last_error, first_seen, last_seen"
    );
    let data = columns("device_data");
    assert!(data.starts_with("seq, device_id, key, ts, value, quality"), "{data}");
    assert_eq!(
        columns("device_data_sealed"),
        "device_id, key, from_ts, to_ts, count, min, max, sum"
    );
    assert_eq!(
        w.shell("SELECT * FROM sensors WHERE device_id = 'attic' AND key = 'temperature'"),
        "attic.temperature|attic|temperature|temperature|number|Cel"
    );
}

#[tokio::test]
async fn devices_have_the_state_they_were_last_said_to_have_and_start_offline() {
    let w = World::new().await;
    let sql = "SELECT device_id, state FROM devices ORDER BY 1";
    assert_eq!(w.shell(sql), "attic|offline\ncellar|offline");
    let say = |no, state| vec![Change::DeviceState(DeviceNo(no), state)];
    w.commit(Vec::new(), say(2, DeviceState::Online)).await.unwrap();
    w.commit(Vec::new(), say(1, DeviceState::Fault)).await.unwrap();
    assert_eq!(w.shell(sql), "attic|fault\ncellar|online");
    // When it was heard is no word on its state, and neither is a change of what it is.
    let seen = vec![(DeviceNo(1), at(5))];
    let first = w.store.log.end().await.unwrap().plus(1);
    w.store.log.commit(&Commit { first, seen, ..Commit::default() }).await.unwrap();
    let change = Change::PutDevice(Arc::new(device(2, "cellar")));
    w.commit(Vec::new(), vec![change]).await.unwrap();
    assert_eq!(w.shell(sql), "attic|fault\ncellar|online");
    let w = w.again(Default::default()).await;
    assert_eq!(w.shell(sql), "attic|offline\ncellar|offline");
    let removed = iot_core::domain::Device { removed: true, ..device(1, "attic") };
    w.commit(Vec::new(), vec![Change::PutDevice(Arc::new(removed))]).await.unwrap();
    assert_eq!(w.shell(sql), "cellar|offline");
}

#[tokio::test]
async fn kept_is_what_the_views_count_after_removals_too() {
    let w = World::new().await;
    for n in 0..50 {
        w.put((0..6).map(|s| w.reading(s, n * 10, f64::from(u8::try_from(n).unwrap()))).collect())
            .await;
    }
    w.assert_ledger().await;
    let range = TimeRange { from: at(100), to: at(200) };
    let sensor = w.sensors[0].no;
    let committed =
        w.commit(Vec::new(), vec![Change::RemoveReadings { sensor, range }]).await.unwrap();
    assert_eq!((committed.figures.kept, committed.figures.removed.by_hand), (290, 10));
    w.assert_ledger().await;
    w.commit(Vec::new(), vec![Change::RemoveDevice { no: DeviceNo(2), history: false }])
        .await
        .unwrap();
    w.assert_ledger().await;
    w.commit(Vec::new(), vec![Change::RemoveDevice { no: DeviceNo(2), history: true }])
        .await
        .unwrap();
    w.assert_ledger().await;
    assert_eq!(w.shell("SELECT count(*) FROM device_data WHERE device_id = 'cellar'"), "0");
    assert_eq!(w.shell("SELECT max(seq), count(DISTINCT seq) FROM device_data"), "297|140");
    let w = w.again(Default::default()).await;
    w.assert_ledger().await;
    assert_eq!(w.store.log.figures().await.unwrap().removed.by_hand, 160);
}

#[tokio::test]
async fn corrected_times_show_in_the_view() {
    let w = World::new().await;
    let time = TimeQuality::Unsynced { boot: BootId(5), monotonic_us: 30 };
    w.put(vec![Reading { time, ..w.reading(0, -999, 1.0) }, w.reading(0, 3, 2.0)]).await;
    let seen = || w.shell("SELECT ts - 1700000000000000 FROM device_data ORDER BY seq");
    assert_eq!(seen(), "-999\n3");
    let offset = at(100).as_micros();
    w.commit(Vec::new(), vec![Change::CorrectTime(BootId(5), offset)]).await.unwrap();
    assert_eq!(seen(), "130\n3");
}

#[tokio::test]
async fn the_shell_reads_while_the_store_writes() {
    let w = World::new().await;
    for n in 0..20 {
        w.put(vec![w.reading(0, n, 1.0)]).await;
        assert_eq!(w.shell("SELECT count(*) FROM device_data"), (n + 1).to_string());
    }
}

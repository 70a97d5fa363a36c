//! Segments close and open, the view follows, and a start finds what was there.

use iot_core::domain::{Reading, Seq, TimeRange};
use iot_core::port::{Buckets, Grid};
use iot_storage::sqlite::Limits;
use proptest::prelude::*;

use crate::world::{World, at, point};

const TINY: Limits = Limits { readings: 10, bytes: 1 << 20 };

#[tokio::test]
async fn a_full_segment_closes_and_nothing_is_lost() {
    let w = World::with(TINY).await;
    let mut wanted = Vec::new();
    for n in 0..30 {
        let batch: Vec<Reading> = (0..3).map(|i| w.reading(0, n * 10 + i, 0.5)).collect();
        wanted.extend(batch.iter().map(point));
        w.put(batch).await;
    }
    assert_eq!(w.shell("SELECT count(*), sum(state = 0) FROM segment"), "10|1");
    assert_eq!(
        w.shell("SELECT seq_first, seq_last, t_min, t_max FROM segment WHERE id = 2"),
        format!("10|18|{}|{}", at(30).as_micros(), at(52).as_micros())
    );
    w.assert_ledger().await;
    let seen: Vec<_> = w.log().await.into_iter().map(|logged| logged.point).collect();
    assert_eq!(seen, wanted);
    let w = w.again(TINY).await;
    assert_eq!(w.store.log.end().await.unwrap(), Seq(90));
    let seen: Vec<_> = w.log().await.into_iter().map(|logged| logged.point).collect();
    assert_eq!(seen, wanted);
    w.put(vec![w.reading(0, 999, 1.0)]).await;
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_segment_closes_by_its_bytes_too() {
    let w = World::with(Limits { readings: 1_000_000, bytes: 2_000 }).await;
    for n in 0..10 {
        w.put(vec![w.reading(2, n, &*"x".repeat(700))]).await;
    }
    assert_eq!(w.shell("SELECT count(*) FROM segment"), "5");
    w.assert_ledger().await;
}

#[tokio::test]
async fn the_write_ahead_log_stays_short_however_much_is_written() {
    let w = World::new().await;
    let text = "x".repeat(1_000);
    for n in 0..60 {
        w.put((0..1_000).map(|i| w.reading(2, n * 1_000 + i, &*text)).collect()).await;
    }
    let length = std::fs::metadata(w.folder.path().join("iot.db-wal")).unwrap().len();
    assert!(length < 24 << 20, "{length} bytes");
    assert_eq!(w.shell("SELECT count(*) FROM segment"), "4");
    w.assert_ledger().await;
}

#[tokio::test]
async fn the_view_takes_the_newest_400_segments_and_the_ledger_all() {
    const ONE: Limits = Limits { readings: 1, bytes: 1 << 20 };
    let w = World::with(ONE).await;
    w.put(vec![w.reading(0, 0, 1.0)]).await;
    w.store.keeper.close().await;
    // 418 more, empty ones: filling as many would take long.
    let columns =
        w.shell("SELECT substr(sql, instr(sql, '(')) FROM sqlite_master WHERE name = 'log_1'");
    let tables = (2..420).map(|n| format!("CREATE TABLE log_{n} {columns};")).collect::<String>();
    w.tamper(&format!(
        "BEGIN; {tables} UPDATE segment SET state = 1, seq_last = 1, t_min = 0, t_max = 0, unsynced = 1; \
         WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 419) \
         INSERT INTO segment SELECT i, iif(i = 419, 0, 1), 2, 1, 0, 0, 0 FROM n; COMMIT"
    ));
    let w = w.again(ONE).await;
    for n in 1..4 {
        w.put(vec![w.reading(0, n, 1.0)]).await;
    }
    assert_eq!(w.shell("SELECT count(*) FROM segment"), "421");
    assert_eq!(w.shell("SELECT count(*), min(seq), max(seq) FROM device_data"), "3|2|4");
    assert_eq!(w.store.log.figures().await.unwrap().kept, 4);
    assert_eq!(w.log().await.len(), 4);
    let page = w.store.history.raw(w.sensors[0].no, TimeRange::ALL, None, 1000).await.unwrap();
    assert_eq!(page.points.len(), 4);
}

#[tokio::test]
async fn latest_values_are_there_after_a_start() {
    let mut w = World::with(TINY).await;
    // The first sensor is heard in the first segment alone; its newest value is not its last.
    w.put(vec![w.reading(0, 500, 1.0), w.reading(0, 400, 2.0)]).await;
    for n in 0..25 {
        w.put(vec![w.reading(3, n, f64::from(n as u8)), w.reading(4, 100 - n, n % 2 == 0)]).await;
    }
    for _ in 0..2 {
        let latest = w.store.history.latest().await.unwrap();
        let wanted = [
            (w.sensors[0].no, point(&w.reading(0, 500, 1.0))),
            (w.sensors[3].no, point(&w.reading(3, 24, 24.0))),
            (w.sensors[4].no, point(&w.reading(4, 100, true))),
        ];
        assert_eq!(latest, wanted);
        w = w.again(TINY).await;
    }
}

#[tokio::test]
async fn one_reading_far_ahead_makes_buckets_no_different() {
    const FAR: i64 = 3_600_000_000;
    let w = World::with(Limits { readings: 60_000, bytes: 16 << 20 }).await;
    w.put(vec![w.reading(0, FAR, 1.0)]).await;
    for n in 0..11 {
        w.put((0..20_000).map(|i| w.reading(0, (n * 20_000 + i) * 1_000, 0.5)).collect()).await;
    }
    let what = Buckets { range: TimeRange::ALL, grid: Grid::Width(3_600_000_000) };
    let begin = std::time::Instant::now();
    let page = w.store.history.buckets(w.sensors[0].no, &what, None).await.unwrap();
    assert!(begin.elapsed() < std::time::Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(page.next, None);
    let count: u64 = page.buckets.iter().map(|bucket| bucket.count).sum();
    let sum: f64 = page.buckets.iter().map(|bucket| bucket.sum).sum();
    assert_eq!((count, sum), (220_001, 110_001.0));
    let starts: std::collections::BTreeSet<_> = page.buckets.iter().map(|b| b.start).collect();
    assert_eq!(starts.len(), page.buckets.len());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Against a plain vector: any times in any order, in commits of any size.
    #[test]
    fn buckets_and_raw_are_what_a_plain_vector_says(
        commits in prop::collection::vec(prop::collection::vec((0_i64..300, -50_i32..50), 0..12), 1..12),
        width in 1_i64..100,
        (from, to) in (-10_i64..310, -10_i64..310),
        limit in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let w = World::with(Limits { readings: 15, bytes: 1 << 20 }).await;
            let mut plain = std::collections::BTreeMap::new();
            for commit in &commits {
                let batch: Vec<Reading> =
                    commit.iter().map(|(us, v)| w.reading(0, *us, f64::from(*v))).collect();
                plain.extend(commit.iter().map(|(us, v)| (*us, f64::from(*v))));
                w.put(batch).await;
            }
            let range = TimeRange { from: at(from), to: at(to) };
            let plain: Vec<(i64, f64)> =
                plain.into_iter().filter(|(us, _)| (from..to).contains(us)).collect();
            let sensor = w.sensors[0].no;
            let (mut raw, mut resume) = (Vec::new(), None);
            loop {
                let page = w.store.history.raw(sensor, range, resume, limit).await.unwrap();
                raw.extend(page.points);
                resume = page.next;
                if resume.is_none() {
                    break;
                }
            }
            let wanted: Vec<_> = plain.iter().map(|(us, v)| point(&w.reading(0, *us, *v))).collect();
            assert_eq!(raw, wanted);
            let what = Buckets { range, grid: Grid::Width(width) };
            let buckets = w.store.history.buckets(sensor, &what, None).await.unwrap().buckets;
            let mut counted = 0;
            for bucket in &buckets {
                let own: Vec<f64> = plain
                    .iter()
                    .filter(|(us, _)| what.grid.start(at(*us)) == Some(bucket.start))
                    .map(|(_, v)| *v)
                    .collect();
                counted += own.len();
                assert_eq!(bucket.count, own.len() as u64);
                // Whole numbers add up exactly, in any order.
                assert_eq!(bucket.sum, own.iter().sum::<f64>());
                assert_eq!(bucket.min, own.iter().copied().fold(f64::MAX, f64::min));
                assert_eq!(bucket.max, own.iter().copied().fold(f64::MIN, f64::max));
                assert_eq!(bucket.last.as_number(), own.last().copied());
            }
            assert_eq!(counted, plain.len());
        });
    }
}

//! What a commit costs. A binary of its own: the figures are those of the whole process.
//!
//! `cargo test -p iot-storage --release --test figures -- --ignored --nocapture` prints the rates.

#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_core::domain::{Reading, Seq, TimeRange};
use iot_core::port::{Buckets, Commit, Grid};

#[path = "it/world.rs"]
#[expect(dead_code, reason = "made for the other tests")]
mod world;

use world::{World, open, point};

/// What this process handed to the system to write, in bytes.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

/// What this process used of the processors: clock ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn a_commit_of_one_reading_writes_one_page_and_brings_it_home_once() {
    const COMMITS: u64 = 200;
    let w = World::new().await;
    w.put(vec![w.reading(0, -1, 21.5)]).await;
    let before = written();
    for n in 0..COMMITS {
        w.put(vec![w.reading(0, i64::try_from(n).unwrap() * 1_000, 21.5)]).await;
    }
    let log = (written() - before) / COMMITS;
    assert!((4_000..4_400).contains(&log), "{log} bytes a commit into the write-ahead log");
    w.store.keeper.close().await;
    let all = (written() - before) / COMMITS;
    assert!(all < 8_300, "{all} bytes a commit, with the last checkpoint");
}

#[tokio::test]
#[ignore = "a measurement, of some seconds"]
async fn rates() {
    for size in [1_usize, 100, 1_000, 10_000] {
        commits(size).await;
    }
    history().await;
}

async fn commits(size: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = open(folder.path()).await.unwrap();
    let w = World { store, ..World::new().await };
    let sensors = w.sensors.len();
    let mut batches: Vec<Arc<[Reading]>> = Vec::new();
    for n in 0..16_i64 {
        let batch = (0..i64::try_from(size).unwrap()).map(|i| {
            let sensor = usize::try_from(i).unwrap() % sensors;
            w.reading(sensor, (n * 10_000 + i) * 1_000, f64::from(i as i32 % 400) / 16.0)
        });
        batches.push(batch.collect());
    }
    let (start, began, before, mut end) = (Instant::now(), cpu(), written(), 0_u64);
    let mut longest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(4) {
        let batch = Arc::clone(&batches[usize::try_from(end).unwrap() % batches.len()]);
        let commit = Commit { first: Seq(end + 1), batches: vec![batch], ..Commit::default() };
        let one = Instant::now();
        w.store.log.commit(&commit).await.unwrap();
        longest = longest.max(one.elapsed());
        end += size as u64;
    }
    let took = start.elapsed();
    assert!(end > 0);
    let wal = std::fs::metadata(folder.path().join("iot.db-wal")).unwrap().len();
    w.store.keeper.close().await;
    assert!(wal < 64 << 20, "a write-ahead log of {wal} bytes");
    println!(
        "{size:>6} a commit: {:>9.0}/s, {:>6.2} us CPU a reading, {:>6.1} B written a reading, \
         longest commit {longest:?}, wal {} MB",
        end as f64 / took.as_secs_f64(),
        (cpu() - began).as_secs_f64() * 1e6 / end as f64,
        (written() - before) as f64 / end as f64,
        wal >> 20
    );
}

async fn history() {
    let w = World::new().await;
    let mut end = 0;
    for n in 0..200_i64 {
        let batch: Vec<Reading> = (0..5_000)
            .map(|i| w.reading(if i % 1_000 == 0 { 0 } else { 3 }, (n * 5_000 + i) * 1_000, 0.25))
            .collect();
        end += 5_000;
        w.put(batch).await;
    }
    let sensor = w.sensors[0].no;
    let range = TimeRange::ALL;
    for (name, sensor) in [("one in a thousand", sensor), ("nearly all", w.sensors[3].no)] {
        let start = Instant::now();
        let raw = w.store.history.raw(sensor, range, None, 10_000).await.unwrap();
        let raw_took = start.elapsed();
        let start = Instant::now();
        let what = Buckets { range, grid: Grid::Width(1_000_000) };
        let buckets = w.store.history.buckets(sensor, &what, None).await.unwrap();
        let buckets_took = start.elapsed();
        println!(
            "{end} readings, {name}: raw {} in {raw_took:?}, buckets {} in {buckets_took:?}",
            raw.points.len(),
            buckets.buckets.len()
        );
    }
    let start = Instant::now();
    let newest = w.store.history.latest_before(sensor, iot_core::domain::Timestamp::MAX).await;
    assert_eq!(newest.unwrap(), Some(point(&w.reading(0, 999_000_000, 0.25))));
    println!("latest before: {:?}", start.elapsed());
    let start = Instant::now();
    let (mut from, mut read) = (Seq(1), 0);
    while read < end {
        let page = w.store.log.read(from, 10_000).await.unwrap();
        (from, read) = (page.next, read + page.readings.len() as u64);
    }
    println!("the log read in pages of 10,000: {:?}", start.elapsed());
    let folder = w.folder;
    w.store.keeper.close().await;
    let start = Instant::now();
    open(folder.path()).await.unwrap();
    println!("open: {:?}", start.elapsed());
}

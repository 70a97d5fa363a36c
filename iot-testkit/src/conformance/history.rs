//! What every history promises.

use std::collections::BTreeMap;
use std::sync::Arc;

use iot_core::domain::{
    BootId, Point, Quality, Reading, SensorNo, TimeQuality, TimeRange, Timestamp, Value,
};
use iot_core::port::{Bucket, Buckets, Change, Grid, PAGE, Store};

use super::{Dice, NOON, World, at, unsynced};

/// Runs every clause of the history against fresh stores.
///
/// # Panics
/// With the name of the clause that does not hold.
pub async fn history_suite(make: impl AsyncFn() -> Store) {
    an_empty_history_answers(make().await).await;
    raw_is_in_time_order_with_the_last_by_seq(make().await).await;
    pages_are_complete(make().await).await;
    a_range_is_half_open(make().await).await;
    buckets_are_what_a_plain_sum_gives(make().await).await;
    booleans_count_as_numbers_texts_alone_and_gaps_not(make().await).await;
    calendar_edges_cut_where_they_say(make().await).await;
    more_buckets_than_a_page_come_in_pages(make().await).await;
    latest_goes_by_a_readings_own_time(make().await).await;
    removed_readings_are_gone_from_everything(make().await).await;
    corrected_times_count(make().await).await;
}

/// What a sensor's history must be: by instant, the last by seq.
fn expected(w: &World, sensor: SensorNo) -> BTreeMap<Timestamp, Point> {
    w.committed
        .iter()
        .filter(|logged| logged.sensor == sensor)
        .map(|logged| (logged.point.ts, logged.point.clone()))
        .collect()
}

async fn raw(w: &World, sensor: usize, range: TimeRange, limit: usize) -> Vec<Point> {
    let sensor = w.sensors[sensor].no;
    let (mut all, mut resume) = (Vec::new(), None);
    loop {
        let page = w.clause.done(w.store.history.raw(sensor, range, resume, limit).await);
        w.clause.holds(page.points.len() <= limit.min(PAGE), page.points.len());
        all.extend(page.points);
        if page.next.is_none() {
            return all;
        }
        w.clause.holds(page.next != resume, page.next);
        resume = page.next;
    }
}

async fn buckets(w: &World, sensor: usize, range: TimeRange, grid: Grid) -> Vec<Bucket> {
    let what = Buckets { range, grid };
    let sensor = w.sensors[sensor].no;
    let (mut all, mut resume) = (Vec::new(), None);
    loop {
        let page = w.clause.done(w.store.history.buckets(sensor, &what, resume).await);
        w.clause.holds(page.buckets.len() <= PAGE, page.buckets.len());
        all.extend(page.buckets);
        if page.next.is_none() {
            return all;
        }
        w.clause.holds(page.next != resume, page.next);
        resume = page.next;
    }
}

/// Readings in and out of order, with repetitions and gaps, in commits of all sizes.
async fn fill(w: &mut World, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut now = 0;
    for _ in 0..120 {
        let size = [1, 1, 2, 10, 60][usize::try_from(dice.below(5)).unwrap_or(0)];
        let batch: Vec<Reading> = (0..size)
            .map(|_| {
                now += dice.time(50);
                let us = if dice.below(10) == 0 { now - dice.time(3_000) } else { now };
                let us = us - us.rem_euclid(10);
                let number = f64::from(u32::try_from(dice.below(1_000)).unwrap_or(0)) / 8.0;
                let reading = w.reading(0, us, number);
                match dice.below(20) {
                    0 => Reading { value: None, quality: Quality::Bad("gap".into()), ..reading },
                    1 => Reading { quality: Quality::Suspect("odd".into()), ..reading },
                    2 => w.reading(1, us, true),
                    _ => reading,
                }
            })
            .collect();
        w.commit(batch).await;
    }
}

async fn an_empty_history_answers(store: Store) {
    let w = World::new(store, "an empty history answers with nothing").await;
    w.clause.equal(raw(&w, 0, TimeRange::ALL, 10).await, Vec::new());
    w.clause.equal(buckets(&w, 0, TimeRange::ALL, Grid::Width(1_000)).await, Vec::new());
    w.clause.equal(w.clause.done(w.store.history.latest().await), Vec::new());
    let before = w.store.history.latest_before(w.sensors[0].no, at(0)).await;
    w.clause.equal(w.clause.done(before), None);
}

async fn raw_is_in_time_order_with_the_last_by_seq(store: Store) {
    let name = "raw is in time order, for one instant the last by seq";
    let mut w = World::new(store, name).await;
    fill(&mut w, 1).await;
    for sensor in [0, 1] {
        let points: Vec<Point> = expected(&w, w.sensors[sensor].no).into_values().collect();
        w.clause.equal(raw(&w, sensor, TimeRange::ALL, PAGE).await, points);
    }
}

async fn pages_are_complete(store: Store) {
    let mut w = World::new(store, "pages are complete, whatever their size").await;
    fill(&mut w, 2).await;
    let points: Vec<Point> = expected(&w, w.sensors[0].no).into_values().collect();
    for limit in [1, 2, 13, 400, 1_000_000] {
        let wanted = if limit == 1 { &points[..40.min(points.len())] } else { &points[..] };
        let to = wanted.last().map_or(at(0), |p| Timestamp::from_micros(p.ts.as_micros() + 1));
        let range = TimeRange { from: Timestamp::MIN, to };
        w.clause.equal(raw(&w, 0, range, limit).await, wanted.to_vec());
    }
}

async fn a_range_is_half_open(store: Store) {
    let mut w = World::new(store, "a range holds its start and not its end").await;
    w.commit((0..10).map(|n| w.reading(0, n, 1.0)).collect()).await;
    let range = TimeRange { from: at(3), to: at(6) };
    let times: Vec<_> = raw(&w, 0, range, 100).await.iter().map(|p| p.ts).collect();
    w.clause.equal(times, vec![at(3), at(4), at(5)]);
    let all = buckets(&w, 0, range, Grid::Width(1_000_000)).await;
    w.clause.equal(all.iter().map(|b| b.count).sum::<u64>(), 3);
    let empty = TimeRange { from: at(6), to: at(6) };
    w.clause.equal(raw(&w, 0, empty, 100).await, Vec::new());
}

/// Buckets as anybody would compute them.
fn plain(w: &World, sensor: usize, range: TimeRange, grid: &Grid) -> Vec<Bucket> {
    let mut all: BTreeMap<Timestamp, Bucket> = BTreeMap::new();
    for (ts, point) in expected(w, w.sensors[sensor].no) {
        let Some(value) = point.value.filter(|_| range.contains(ts)) else { continue };
        let Some(start) = grid.start(ts) else { continue };
        let number = value.as_number().unwrap_or(0.0);
        let bucket = all.entry(start).or_insert_with(|| Bucket {
            start,
            count: 0,
            sum: 0.0,
            min: number,
            max: number,
            last: value.clone(),
        });
        bucket.count += 1;
        bucket.sum += number;
        bucket.min = bucket.min.min(number);
        bucket.max = bucket.max.max(number);
        bucket.last = value;
    }
    all.into_values().collect()
}

/// Sums may be added up in any order.
fn same(w: &World, seen: &[Bucket], wanted: &[Bucket]) {
    w.clause.equal(seen.len(), wanted.len());
    for (a, b) in seen.iter().zip(wanted) {
        w.clause.equal((a.start, a.count, &a.last), (b.start, b.count, &b.last));
        w.clause.equal((a.min, a.max), (b.min, b.max));
        w.clause.holds((a.sum - b.sum).abs() <= 1e-9 * b.sum.abs().max(1.0), (a, b));
    }
}

async fn buckets_are_what_a_plain_sum_gives(store: Store) {
    let name = "buckets are what a plain sum over the readings gives, each instant once";
    let mut w = World::new(store, name).await;
    fill(&mut w, 4).await;
    let ranges = [
        TimeRange::ALL,
        TimeRange { from: at(777), to: at(20_000) },
        TimeRange { from: at(-5_000), to: at(1) },
    ];
    for range in ranges {
        for width in [1, 10, 700, 1_000, 1_000_000_000] {
            let grid = Grid::Width(width);
            let seen = buckets(&w, 0, range, grid.clone()).await;
            same(&w, &seen, &plain(&w, 0, range, &grid));
        }
    }
}

async fn booleans_count_as_numbers_texts_alone_and_gaps_not(store: Store) {
    let name = "in buckets booleans are 0 and 1, a text has last and count, a gap does not count";
    let mut w = World::new(store, name).await;
    let gap =
        Reading { value: None, quality: Quality::Bad("no answer".into()), ..w.reading(0, 5, 0.0) };
    let bools = [true, false, true].into_iter().zip(0..).map(|(b, n)| w.reading(1, n, b));
    let texts = ["a", "c", "b"].into_iter().zip(0..).map(|(t, n)| w.reading(2, n, t));
    let all = bools.chain(texts).chain([gap, w.reading(0, 6, 4.0)]).collect();
    w.commit(all).await;
    let grid = Grid::Width(1_000_000);
    let bool = buckets(&w, 1, TimeRange::ALL, grid.clone()).await;
    w.clause.holds(bool.len() == 1, &bool);
    w.clause.equal((bool[0].count, bool[0].sum, bool[0].min, bool[0].max), (3, 2.0, 0.0, 1.0));
    w.clause.equal(bool[0].last.clone(), Value::Bool(true));
    let text = buckets(&w, 2, TimeRange::ALL, grid.clone()).await;
    w.clause.holds(text.len() == 1, &text);
    w.clause.equal((text[0].count, text[0].last.clone()), (3, Value::from("b")));
    let number = buckets(&w, 0, TimeRange::ALL, grid).await;
    w.clause.equal(number.iter().map(|b| b.count).collect::<Vec<_>>(), vec![1]);
}

async fn calendar_edges_cut_where_they_say(store: Store) {
    let name = "calendar edges cut where they say, and what lies outside does not count";
    let mut w = World::new(store, name).await;
    w.commit((0..100).map(|n| w.reading(0, n * 10, 1.0)).collect()).await;
    let edges: Vec<_> = [100, 250, 300, 301, 700].into_iter().map(at).collect();
    let grid = Grid::Edges(Arc::from(edges));
    let seen = buckets(&w, 0, TimeRange::ALL, grid.clone()).await;
    same(&w, &seen, &plain(&w, 0, TimeRange::ALL, &grid));
    w.clause.equal(seen.iter().map(|b| b.count).collect::<Vec<_>>(), vec![15, 5, 1, 39]);
}

async fn more_buckets_than_a_page_come_in_pages(store: Store) {
    let name = "more buckets than a page holds come in pages, none twice, none missing";
    let mut w = World::new(store, name).await;
    let many = i64::try_from(PAGE * 2 + 500).unwrap_or(0);
    let batch: Vec<_> = (0..many).map(|n| w.reading(0, n * 1_000, 2.0)).collect();
    w.commit(batch).await;
    // Some instants again, late: on both sides of the first page's end.
    let again = [0, 9_998, 9_999, 10_000, 10_001, 20_499].into_iter();
    let batch: Vec<_> = again.map(|n| w.reading(0, n * 1_000, 3.0)).collect();
    w.commit(batch).await;
    let grid = Grid::Width(1_000);
    let seen = buckets(&w, 0, TimeRange::ALL, grid.clone()).await;
    same(&w, &seen, &plain(&w, 0, TimeRange::ALL, &grid));
    w.clause.equal(raw(&w, 0, TimeRange::ALL, PAGE).await.len(), PAGE * 2 + 500);
}

async fn latest_goes_by_a_readings_own_time(store: Store) {
    let name = "the latest is the newest by its own time, at one instant the last by seq";
    let mut w = World::new(store, name).await;
    fill(&mut w, 5).await;
    let mut wanted = Vec::new();
    for sensor in [0, 1] {
        let no = w.sensors[sensor].no;
        let points = expected(&w, no);
        wanted.extend(points.values().next_back().map(|point| (no, point.clone())));
        let times: Vec<Timestamp> = points.keys().copied().collect();
        for before in [at(-10_000), at(0), at(505), times[times.len() / 2], Timestamp::MAX] {
            let seen = w.clause.done(w.store.history.latest_before(no, before).await);
            let last = points.range(..before).next_back().map(|(_, point)| point.clone());
            w.clause.equal(seen, last);
        }
    }
    let mut latest = w.clause.done(w.store.history.latest().await);
    latest.sort_by_key(|(no, _)| *no);
    w.clause.equal(latest, wanted);
}

async fn removed_readings_are_gone_from_everything(store: Store) {
    let mut w = World::new(store, "removed readings are gone from everything").await;
    fill(&mut w, 6).await;
    let no = w.sensors[0].no;
    let range = TimeRange { from: at(1_500), to: Timestamp::MAX };
    w.change(vec![Change::RemoveReadings { sensor: no, range }]).await;
    w.committed.retain(|logged| logged.sensor != no || !range.contains(logged.point.ts));
    let points: Vec<Point> = expected(&w, no).into_values().collect();
    w.clause.equal(raw(&w, 0, TimeRange::ALL, PAGE).await, points.clone());
    let grid = Grid::Width(100);
    let seen = buckets(&w, 0, TimeRange::ALL, grid.clone()).await;
    same(&w, &seen, &plain(&w, 0, TimeRange::ALL, &grid));
    let latest = w.clause.done(w.store.history.latest().await);
    let latest = latest.into_iter().find(|(sensor, _)| *sensor == no).map(|(_, point)| point);
    w.clause.equal(latest, points.last().cloned());
}

async fn corrected_times_count(store: Store) {
    let mut w = World::new(store, "corrected times count wherever times do").await;
    let no = w.sensors[0].no;
    let early = |n: i64| Reading {
        ts: Timestamp::from_micros(n),
        time: unsynced(3, n),
        ..w.reading(0, 0, 7.0)
    };
    let taken_early = vec![early(10), early(20)];
    w.commit(vec![w.reading(0, 0, 1.0), w.reading(0, 50, 1.5)]).await;
    w.commit(taken_early).await;
    w.change(vec![Change::CorrectTime(BootId(3), NOON + 100)]).await;
    for logged in &mut w.committed {
        if let TimeQuality::Unsynced { monotonic_us, .. } = logged.point.time {
            logged.point.ts = at(100 + monotonic_us);
            logged.point.time = TimeQuality::Synced;
        }
    }
    let points: Vec<Point> = expected(&w, no).into_values().collect();
    let range = TimeRange { from: at(0), to: at(1_000) };
    w.clause.equal(raw(&w, 0, range, 10).await, points.clone());
    let before = w.clause.done(w.store.history.latest_before(no, at(115)).await);
    w.clause.equal(before, Some(points[2].clone()));
    let latest = w.clause.done(w.store.history.latest().await);
    w.clause.equal(latest, vec![(no, points[3].clone())]);
}

//! What every log promises.

use std::sync::Arc;

use iot_core::domain::{BootId, Quality, Reading, Seq, TimeQuality, TimeRange};
use iot_core::port::{Change, Commit, CursorMove, CursorName, LogErrorKind, Store};

use super::{Dice, World, at, unsynced};

/// Runs every clause of the log against fresh stores.
///
/// # Panics
/// With the name of the clause that does not hold.
pub async fn log_suite(make: impl AsyncFn() -> Store) {
    an_empty_log_ends_at_zero(make().await).await;
    what_is_committed_is_read_back_as_it_was(make().await).await;
    pages_of_any_size_give_the_same_readings(make().await).await;
    one_commit_may_hold_many_thousand_readings(make().await).await;
    a_commit_that_does_not_begin_at_the_end_writes_nothing(make().await).await;
    past_the_end_is_out_of_range(make().await).await;
    cursors_ride_on_commits(make().await).await;
    removed_readings_keep_their_places_and_are_counted(make().await).await;
    a_removal_takes_its_range_and_its_sensor_alone(make().await).await;
    a_removed_device_keeps_its_readings_unless_asked(make().await).await;
    a_removal_takes_the_readings_of_its_own_commit(make().await).await;
    corrected_times_are_read_as_synced(make().await).await;
    changes_are_there_with_the_commit_or_not_at_all(make().await).await;
}

async fn an_empty_log_ends_at_zero(store: Store) {
    let w = World::new(store, "an empty log ends at 0").await;
    w.clause.equal(w.clause.done(w.store.log.end().await), Seq(0));
    let page = w.clause.done(w.store.log.read(Seq(1), 10).await);
    w.clause.equal((page.readings.len(), page.next), (0, Seq(1)));
    w.clause.equal(w.clause.done(w.store.log.figures().await).stored, 0);
}

/// Every sort of value, quality and time.
fn samples(w: &World) -> Vec<Reading> {
    let mut all = Vec::new();
    let numbers = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        21.4,
        0.1 + 0.2,
        1e-300,
        5e-324,
        f64::MAX,
        f64::MIN,
        1e16,
        123_456_789.125,
        f64::EPSILON,
        2.0_f64.powi(53) + 2.0,
        -1e22,
        1.0 / 3.0,
    ];
    for (n, number) in (0..).zip(numbers) {
        all.push(w.reading(0, n * 1_000, number));
    }
    all.push(w.reading(1, 20_001, true));
    all.push(w.reading(1, 20_002, false));
    for text in
        ["", "plain", "quo\"te \\ back", "line\nfeed\ttab\0nul", "датчик ☂ 🌡", "[1,2,3]", "null"]
    {
        all.push(w.reading(2, 30_000, text));
    }
    let good = w.reading(0, -7, 2.5);
    let suspect = Quality::Suspect("drifts \"a lot\"".into());
    let bad = Quality::Bad("".into());
    for quality in [Quality::Good, suspect, bad] {
        for time in [
            TimeQuality::Synced,
            TimeQuality::Device,
            TimeQuality::Suspect,
            unsynced(7, 0),
            unsynced(u32::MAX, 123_456_789_012),
        ] {
            all.push(Reading { quality: quality.clone(), time, ..good.clone() });
        }
    }
    all.push(Reading { value: None, quality: Quality::Bad("no answer".into()), ..good });
    all
}

async fn what_is_committed_is_read_back_as_it_was(store: Store) {
    let name = "what is committed is read back in order and as it was";
    let mut w = World::new(store, name).await;
    let all = samples(&w);
    // Alone, and all together: neighbours must not matter.
    for reading in &all {
        w.commit(vec![reading.clone()]).await;
    }
    w.commit(all).await;
    w.clause.equal(w.log(10_000).await, w.committed.clone());
    let negative = w.log(10_000).await[1].point.value.clone();
    let sign = negative.and_then(|value| value.as_number()).map(f64::is_sign_negative);
    w.clause.equal(sign, Some(true));
    w.clause.equal(w.clause.done(w.store.log.end().await), w.end());
}

async fn pages_of_any_size_give_the_same_readings(store: Store) {
    let mut w = World::new(store, "pages of any size give the same readings").await;
    for n in 0..60_i64 {
        let size = n % 7;
        w.commit((0..size).map(|i| w.reading(0, n * 100 + i, 0.5)).collect()).await;
    }
    for limit in [1, 2, 3, 7, 50, 1000] {
        w.clause.equal(w.log(limit).await, w.committed.clone());
    }
    let page = w.clause.done(w.store.log.read(Seq(100), 5).await);
    w.clause.equal(page.readings, w.committed[99..104].to_vec());
    w.clause.equal(page.next, Seq(105));
}

async fn one_commit_may_hold_many_thousand_readings(store: Store) {
    let mut w = World::new(store, "one commit may hold many thousand readings").await;
    let readings = |n: i64| (0..n).map(|i| w.reading(0, i * 1000, 1.25)).collect::<Vec<_>>();
    let batches = vec![readings(9_999), readings(2), Vec::new(), readings(14_000)];
    let figures = w.commit_all(batches).await;
    w.clause.equal((figures.stored, figures.kept), (24_001, 24_001));
    w.clause.equal(w.log(10_000).await, w.committed.clone());
}

async fn a_commit_that_does_not_begin_at_the_end_writes_nothing(store: Store) {
    let name = "a commit that does not begin at the end is refused and writes nothing";
    let mut w = World::new(store, name).await;
    w.commit(vec![w.reading(0, 0, 1.0)]).await;
    let batch: Arc<[Reading]> = vec![w.reading(0, 1, 2.0)].into();
    for first in [1, 3, 0] {
        let batches = vec![Arc::clone(&batch)];
        let commit = Commit { first: Seq(first), batches, ..Commit::default() };
        let answer = w.store.log.commit(&commit).await;
        w.clause.holds(answer.is_err(), answer);
    }
    w.clause.equal(w.log(10).await, w.committed.clone());
    w.commit(vec![w.reading(0, 2, 3.0)]).await;
    w.clause.equal(w.log(10).await, w.committed.clone());
}

async fn past_the_end_is_out_of_range(store: Store) {
    let name = "the end can be read from, what lies past it is out of range";
    let mut w = World::new(store, name).await;
    w.commit(vec![w.reading(0, 0, 1.0)]).await;
    let page = w.clause.done(w.store.log.read(Seq(2), 10).await);
    w.clause.equal((page.readings.len(), page.next), (0, Seq(2)));
    let answer = w.store.log.read(Seq(3), 10).await;
    let kind = answer.as_ref().err().map(|error| error.kind);
    w.clause.holds(kind == Some(LogErrorKind::OutOfRange), answer);
}

async fn cursors_ride_on_commits(store: Store) {
    let mut w = World::new(store, "cursors ride on commits").await;
    let name = CursorName("mqtt:up".into());
    let moved = |seq| CursorMove {
        name: name.clone(),
        seq: Seq(seq),
        began: Seq(1),
        acknowledged: seq,
        filtered: 2,
        dropped: 3,
    };
    w.clause.equal(w.clause.done(w.store.log.cursors().await), Vec::new());
    for seq in [5, 6] {
        let commit = Commit { first: Seq(1), cursors: vec![moved(seq)], ..Commit::default() };
        w.clause.done(w.store.log.commit(&commit).await);
        w.clause.equal(w.clause.done(w.store.log.cursors().await), vec![moved(seq)]);
    }
    w.change(vec![Change::RemoveCursor(name)]).await;
    w.clause.equal(w.clause.done(w.store.log.cursors().await), Vec::new());
}

async fn removed_readings_keep_their_places_and_are_counted(store: Store) {
    let name = "removed readings keep their places and are counted: stored = kept + removed";
    let mut w = World::new(store, name).await;
    for n in 0..10 {
        w.commit(vec![w.reading(0, n, 1.0), w.reading(1, n, true)]).await;
    }
    let sensor = w.sensors[0].no;
    let figures = w.change(vec![Change::RemoveReadings { sensor, range: TimeRange::ALL }]).await;
    w.clause.equal((figures.stored, figures.kept, figures.removed.by_hand), (20, 10, 10));
    w.committed.retain(|logged| logged.sensor != sensor);
    w.clause.equal(w.log(3).await, w.committed.clone());
    let second = w.sensors[1].no;
    let all = Change::RemoveReadings { sensor: second, range: TimeRange::ALL };
    let figures = w.change(vec![all]).await;
    w.clause.equal((figures.stored, figures.kept, figures.removed.by_hand), (20, 0, 20));
    w.clause.equal(w.clause.done(w.store.log.end().await), Seq(20));
    w.clause.equal(w.log(7).await, Vec::new());
    w.clause.equal(w.clause.done(w.store.log.figures().await), figures);
    let figures = w.commit(vec![w.reading(0, 99, 1.0)]).await;
    w.clause.equal((figures.stored, figures.kept), (21, 1));
}

async fn a_removal_takes_its_range_and_its_sensor_alone(store: Store) {
    let name = "a removal takes its half-open range and its sensor alone";
    let mut w = World::new(store, name).await;
    let mut dice = Dice::new(3);
    for _ in 0..40 {
        let batch = (0..5)
            .map(|_| {
                let sensor = usize::try_from(dice.below(2)).unwrap_or(0);
                let us = dice.time(100);
                if sensor == 0 { w.reading(0, us, 1.0) } else { w.reading(1, us, true) }
            })
            .collect();
        w.commit(batch).await;
    }
    let range = TimeRange { from: at(20), to: at(60) };
    let sensor = w.sensors[0].no;
    let before = w.committed.len() as u64;
    let figures = w.change(vec![Change::RemoveReadings { sensor, range }]).await;
    w.committed.retain(|logged| logged.sensor != sensor || !range.contains(logged.point.ts));
    w.clause.equal(w.log(1000).await, w.committed.clone());
    w.clause.equal(figures.kept, w.committed.len() as u64);
    w.clause.equal(figures.removed.by_hand, before - w.committed.len() as u64);
}

async fn a_removed_device_keeps_its_readings_unless_asked(store: Store) {
    let name = "a removed device keeps its readings, unless its history goes too";
    let mut w = World::new(store, name).await;
    w.commit(vec![w.reading(0, 0, 1.0), w.reading(1, 0, true)]).await;
    let no = w.sensors[0].device_no;
    let figures = w.change(vec![Change::RemoveDevice { no, history: false }]).await;
    w.clause.equal((figures.stored, figures.kept), (2, 2));
    let removed = w.clause.done(w.store.registry.devices().await);
    w.clause.holds(removed.len() == 1 && removed[0].device.removed, &removed);
    let figures = w.change(vec![Change::RemoveDevice { no, history: true }]).await;
    w.clause.equal((figures.stored, figures.kept, figures.removed.by_hand), (2, 0, 2));
    w.clause.equal(w.clause.done(w.store.registry.devices().await), removed);
}

async fn a_removal_takes_the_readings_of_its_own_commit(store: Store) {
    let name = "a removal takes the readings of its own commit too";
    let mut w = World::new(store, name).await;
    w.commit(vec![w.reading(0, 0, 1.0), w.reading(1, 0, true)]).await;
    let (sensor, no) = (w.sensors[0].no, w.sensors[0].device_no);
    let range = TimeRange { from: at(5), to: at(20) };
    let together = [
        (Change::RemoveReadings { sensor, range }, 4, 1, w.reading(0, 0, 1.0)),
        (Change::RemoveDevice { no, history: true }, 6, 6, w.reading(0, 0, 1.0)),
    ];
    for (change, stored, by_hand, newest) in together {
        let batch: Arc<[Reading]> = vec![w.reading(0, 10, 2.0), w.reading(1, 10, false)].into();
        let first = w.clause.done(w.store.log.end().await).plus(1);
        let commit =
            Commit { first, batches: vec![batch], changes: vec![change], ..Commit::default() };
        let figures = w.clause.done(w.store.log.commit(&commit).await).figures;
        w.clause.equal((figures.stored, figures.removed.by_hand), (stored, by_hand));
        w.clause.equal(w.log(10).await.len() as u64, stored - by_hand);
        let latest = w.clause.done(w.store.history.latest().await);
        let of_it = latest.into_iter().find(|(no, _)| *no == sensor).map(|(_, point)| point.ts);
        w.clause.equal(of_it, (by_hand == 1).then_some(newest.ts));
    }
}

async fn corrected_times_are_read_as_synced(store: Store) {
    let mut w = World::new(store, "corrected times are read as synced").await;
    let early = |mono| Reading { time: unsynced(7, mono), ..w.reading(0, -50_000_000, 1.0) };
    let other = Reading { time: unsynced(8, 5), ..w.reading(0, 1, 2.0) };
    w.commit(vec![early(100), w.reading(0, 3, 3.0), other, early(200)]).await;
    let offset = at(1_000_000).as_micros();
    w.change(vec![Change::CorrectTime(BootId(7), offset)]).await;
    for logged in &mut w.committed {
        if let TimeQuality::Unsynced { boot: BootId(7), monotonic_us } = logged.point.time {
            logged.point.ts = at(1_000_000 + monotonic_us);
            logged.point.time = TimeQuality::Synced;
        }
    }
    w.clause.equal(w.log(10).await, w.committed.clone());
    let corrections = w.clause.done(w.store.registry.corrections().await);
    w.clause.equal(corrections, vec![(BootId(7), offset)]);
}

async fn changes_are_there_with_the_commit_or_not_at_all(store: Store) {
    let name = "changes are there with the commit, or not at all";
    let w = World::new(store, name).await;
    let change = Change::RemoveDevice { no: w.sensors[0].device_no, history: true };
    let commit = Commit { first: Seq(9), changes: vec![change], ..Commit::default() };
    let answer = w.store.log.commit(&commit).await;
    w.clause.holds(answer.is_err(), answer);
    let devices = w.clause.done(w.store.registry.devices().await);
    w.clause.holds(devices.len() == 1 && !devices[0].device.removed, devices);
}

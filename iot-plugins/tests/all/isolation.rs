//! A plugin that panics, one that blocks its thread, one that floods: others keep their time.

use std::time::Duration;

use iot_core::domain::{InstanceState, InstanceStatus};
use iot_core::port::PluginHost;
use iot_testkit::sim::desk::SimDesk;
use iot_testkit::wait::until;
use serde_json::json;

use crate::rig::{Rig, SOON, quick};
use crate::specimens::{Blocks, Floods, Good, Panics, Pushes, gate};

/// The times from one poll to the next, in milliseconds, sorted.
fn gaps(desk: &SimDesk) -> Vec<f64> {
    let told = desk.told();
    let times: Vec<_> = told.batches.iter().map(|(at, _)| *at).collect();
    let mut gaps: Vec<f64> =
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0).collect();
    gaps.sort_by(f64::total_cmp);
    gaps
}

fn at(gaps: &[f64], percent: usize) -> f64 {
    gaps[(gaps.len() - 1) * percent / 100]
}

async fn polls(desk: &SimDesk, n: usize) {
    until("polls were made", SOON, async || {
        let made = desk.told().batches.len();
        if made >= n { Ok(()) } else { Err(format!("{made} of {n}")) }
    })
    .await;
}

/// The intervals of the next 41 polls: what lies at 5, 50 and 95 %.
async fn window(desk: &SimDesk) -> [f64; 3] {
    desk.told().batches.clear();
    polls(desk, 41).await;
    let gaps = gaps(desk);
    [at(&gaps, 5), at(&gaps, 50), at(&gaps, 95)]
}

/// Other programs on this machine move intervals too. What is broken is broken in every window.
const WINDOWS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_neighbours_do_not_move_a_good_ones_intervals() {
    let rig = Rig::new(quick());
    let good = rig.start::<Good>("good", json!({"interval_ms": 50})).await;
    rig.start::<Panics>("panics", json!({"at": 1, "interval_ms": 10})).await;
    rig.start::<Blocks>("blocks", json!({"at": 2, "interval_ms": 50})).await;
    let flood = rig.start::<Floods>("floods", json!({})).await;
    flood.told().credit = Some(100_000);
    let pushing = rig.start::<Pushes>("pushes", json!({})).await;
    pushing.told().disk_takes = Duration::from_millis(5);

    let mut seen = Vec::new();
    let fine = loop {
        let [low, median, high] = window(&good).await;
        println!("intervals of 50 ms: 5 % {low:.1}, median {median:.1}, 95 % {high:.1}");
        seen.push([low, median, high]);
        if (median - 50.0).abs() < 2.0 && low > 40.0 && high < 60.0 {
            break true;
        }
        if seen.len() == WINDOWS {
            break false;
        }
    };
    assert!(fine, "moved by more than 20 % in every window: {seen:?}");

    let gave_up = rig.until("panics", InstanceState::GaveUp).await;
    assert!(gave_up.reason.as_ref().unwrap().contains("no luck at poll 1"), "{gave_up:?}");
    let hung = rig.until_that("blocks", "abandoned", |s| s.reason.is_some()).await;
    assert!(hung.reason.unwrap().contains("thread iot-blocks hung and was abandoned"));
    let flooding = rig.until_that("floods", "out of credit", |s| s.skipped > 0).await;
    assert_eq!(flooding.readings, 100_000);
    assert!(flooding.reason.unwrap().contains("out of credit"));
    assert_eq!(flooding.state, InstanceState::Running);
    assert!(pushing.told().accepted > 1000);
    gate("blocks").open();
    rig.host.stop_all().await;
    assert!(rig.host.statuses().iter().all(|s| s.state == InstanceState::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_ticks_do_not_drift() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Good>("steady", json!({"interval_ms": 10})).await;
    let mut seen = Vec::new();
    while seen.len() < WINDOWS {
        let skipped = rig.status("steady").skipped;
        desk.told().batches.clear();
        polls(&desk, 101).await;
        let passed = {
            let told = desk.told();
            told.batches[100].0 - told.batches[0].0
        };
        let skipped = u32::try_from(rig.status("steady").skipped - skipped).unwrap();
        let off = passed.as_secs_f64() * 1000.0 - 10.0 * f64::from(100 + skipped);
        seen.push(off);
        if off.abs() < 3.0 {
            break;
        }
    }
    println!("a hundred ticks of 10 ms are off by {seen:.2?} ms");
    assert!(seen.last().unwrap().abs() < 3.0, "off by {seen:?} ms");
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_panics_do_not_end_the_process() {
    let mut limits = quick();
    limits.restart.restarts = 100;
    limits.restart.first = Duration::from_millis(1);
    limits.restart.longest = Duration::from_millis(1);
    let rig = Rig::new(limits);
    rig.start::<Panics>("opening", json!({"at": 0})).await;
    rig.start::<Panics>("polling", json!({"at": 1})).await;
    for name in ["opening", "polling"] {
        let status: InstanceStatus = rig.until(name, InstanceState::GaveUp).await;
        assert_eq!(status.restarts, 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_instances_are_cheap() {
    let rig = Rig::new(quick());
    let before = resident_kib();
    let mut desks = Vec::new();
    for n in 0..50 {
        desks.push(rig.start::<Good>(&format!("cheap{n}"), json!({"interval_ms": 1000})).await);
    }
    for desk in &desks {
        polls(desk, 1).await;
    }
    let each = (resident_kib() - before) / 50.0;
    println!("an instance takes {each:.0} KiB");
    assert!(each < 400.0, "{each} KiB");
    rig.host.stop_all().await;
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

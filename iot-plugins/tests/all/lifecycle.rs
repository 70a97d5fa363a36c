//! Failures and what follows them, stopping, starting again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use iot_core::adapter::PollFn;
use iot_core::domain::{InstanceState, Outcome};
use iot_core::port::{CommandRoute, PluginHost};
use iot_plugins::host::ThreadHost;
use iot_testkit::wait::until;
use serde_json::json;

use crate::rig::{Rig, SOON, command, home, kind_of, launch, name, quick};
use crate::specimens::{Blocks, Deaf, Fails, Good, Panics, gate, works};

#[test]
fn a_host_needs_no_runtime_until_something_is_started() {
    assert!(ThreadHost::new().statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_hangs_is_abandoned_named_restarted_and_at_last_given_up() {
    let rig = Rig::new(quick());
    let instance = "hangs-with-a-long-name";
    let desk = rig.start::<Blocks>(instance, json!({"at": 1, "interval_ms": 20})).await;
    let first = rig.until_that(instance, "abandoned", |s| s.restarts == 1).await;
    assert!(
        first.reason.as_ref().unwrap().contains("thread iot-hangs-with- hung and was abandoned"),
        "{first:?}"
    );
    let last = rig.until(instance, InstanceState::GaveUp).await;
    assert_eq!(last.restarts, 3);
    assert!(last.reason.unwrap().contains("given up after 3 restarts within an hour"));
    {
        let told = desk.told();
        assert!(told.instance_faults.iter().flatten().any(|why| why.contains("hung")));
        assert_eq!(told.gone, 1);
        assert_eq!(told.accepted, 0);
    }
    // The threads come back, and find that nobody listens to them.
    let gate = gate(instance);
    assert_eq!(gate.blocked.load(Ordering::SeqCst), 4);
    gate.open();
    rig.until_that(instance, "rid of its threads", |s| {
        s.reason.as_ref().is_some_and(|r| r.matches("abandoned").count() == 1)
    })
    .await;
    until("the threads came back", SOON, async || gate.passed.load(Ordering::SeqCst) == 4).await;
    let told = desk.told();
    assert_eq!(told.accepted, 0, "no late reading is taken");
    assert!(!told.devices.keys().any(|device| device.as_str() == "late"));
    assert!(told.states.is_empty(), "no late state is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_while_opening_is_seen_too() {
    let mut limits = quick();
    limits.hang_intervals = 0;
    let rig = Rig::new(limits);
    rig.start::<Blocks>("opens", json!({"at": 0})).await;
    rig.until_that("opens", "abandoned", |s| s.restarts > 0).await;
    gate("opens").open();
    rig.until("opens", InstanceState::Running).await;
    until("the blocked threads came back", SOON, async || {
        gate("opens").passed.load(Ordering::SeqCst) == gate("opens").blocked.load(Ordering::SeqCst)
    })
    .await;
    let asked = command("opens", "echo", json!({}));
    let outcome = rig.host.deliver(&home("opens"), asked).await;
    assert!(matches!(outcome, Outcome::Refused(why) if why.contains("not a command")));
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_panicked_is_started_again_with_what_it_kept() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Panics>("panics-twice", json!({"at": 3, "interval_ms": 5})).await;
    let up = rig.until("panics-twice", InstanceState::GaveUp).await;
    assert_eq!(up.restarts, 3);
    assert_eq!(up.readings, 8, "two polls in each of four runs");
    let ids = desk.told().devices.len();
    assert_eq!(ids, 1, "the same device each time");
    rig.host.restart(&name("panics-twice")).await.unwrap();
    rig.until_that("panics-twice", "running anew", |s| s.readings > 8).await;
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_world_that_is_not_ready_is_tried_again_until_it_is() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Fails>("soon", json!({"how": "open_soon"})).await;
    let waits = rig.until_that("soon", "tried often", |s| s.restarts > 4).await;
    assert!(waits.reason.unwrap().contains("the bus is not there yet"));
    assert!(rig.accepts("soon").unwrap_err().contains("the bus is not there yet"));
    works("soon").store(true, Ordering::SeqCst);
    let runs = rig.until_that("soon", "read", |s| s.readings > 0).await;
    assert_eq!((runs.state, runs.reason), (InstanceState::Running, None));
    let faults = desk.told().instance_faults.clone();
    assert_eq!(faults.first().unwrap().as_deref(), Some("the bus is not there yet"));
    assert_eq!(faults.last().unwrap(), &None, "the fault is cleared");
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_given_up_with_its_reason_and_can_be_started_by_hand() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Fails>("never", json!({"how": "open_never"})).await;
    let up = rig.until("never", InstanceState::GaveUp).await;
    assert_eq!(up.reason.as_deref(), Some("there is no such pin; name another"));
    assert_eq!((up.restarts, desk.told().gone), (0, 1));
    works("never").store(true, Ordering::SeqCst);
    rig.host.restart(&name("never")).await.unwrap();
    rig.until("never", InstanceState::Running).await;
    assert!(rig.host.restart(&name("nobody")).await.is_err());
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_polls_back_off_and_recover() {
    for how in ["poll", "reopen"] {
        let rig = Rig::new(quick());
        let instance = format!("line-{how}");
        let desk = rig.start::<Fails>(&instance, json!({"how": how})).await;
        let failing = rig.until(&instance, InstanceState::BackingOff).await;
        let why = if how == "poll" { "no answer" } else { "the line broke" };
        assert_eq!(failing.reason.as_deref(), Some(why));
        let fault = desk.told().instance_faults.last().cloned().unwrap();
        assert_eq!(fault.as_deref(), Some(why));
        works(&instance).store(true, Ordering::SeqCst);
        let runs = rig.until_that(&instance, "read", |s| s.readings > 0).await;
        assert_eq!((runs.state, runs.reason), (InstanceState::Running, None));
        assert_eq!(desk.told().instance_faults.last().unwrap(), &None);
        assert_eq!(runs.restarts > 0, how == "reopen");
        rig.host.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_given_up_in_words() {
    let rig = Rig::new(quick());
    rig.start::<Good>("wrong", json!({"intervall_ms": 5})).await;
    let up = rig.until("wrong", InstanceState::GaveUp).await;
    assert!(up.reason.unwrap().contains("intervall_ms"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_takes_in_keeps_and_starting_again_restores() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Good>("keeps", json!({"interval_ms": 5})).await;
    rig.until_that("keeps", "read", |s| s.readings >= 3).await;
    rig.host.stop(&name("keeps")).await;
    let stopped = rig.status("keeps");
    assert_eq!((stopped.state, stopped.reason), (InstanceState::Stopped, None));
    assert!(rig.accepts("keeps").unwrap_err().contains("is stopped"));
    let kept = {
        let told = desk.told();
        assert_eq!(told.gone, 1);
        assert_eq!(told.accepted as u64, stopped.readings);
        told.states.last().unwrap().bytes[0]
    };
    assert_eq!(u64::from(kept), stopped.readings);
    rig.host.restart(&name("keeps")).await.unwrap();
    let again = rig.until_that("keeps", "read on", |s| s.readings > stopped.readings).await;
    let value = desk.told().batches[again.readings as usize - 1].1[0].value.clone();
    assert_eq!(value.unwrap().as_number().unwrap() as u64, again.readings, "it went on counting");
    rig.host.remove(&name("keeps")).await;
    assert!(rig.host.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_takes_two_seconds_at_most() {
    let mut limits = quick();
    limits.hang_at_least = Duration::from_secs(60);
    let rig = Rig::new(limits);
    rig.start::<Blocks>("stuck", json!({"at": 1, "interval_ms": 20})).await;
    let deaf = rig.start::<Deaf>("deaf", json!({})).await;
    rig.until("deaf", InstanceState::Running).await;
    until("its thread blocks", SOON, async || gate("stuck").blocked.load(Ordering::SeqCst) == 1)
        .await;
    let begun = Instant::now();
    rig.host.stop_all().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(2300), "{took:?}");
    let stuck = rig.status("stuck");
    assert_eq!(stuck.state, InstanceState::Stopped);
    assert!(stuck.reason.unwrap().contains("thread iot-stuck did not stop within 2s"));
    // One that only does not listen is still closed properly.
    assert_eq!(rig.status("deaf").reason, None);
    assert_eq!(deaf.told().states.last().unwrap().version, 3);
    gate("stuck").open();
    rig.until_that("stuck", "rid of its thread", |s| s.reason.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closure_that_panicked_is_not_started_again() {
    let rig = Rig::new(quick());
    let mut polls = 0;
    let kind = PollFn::kind(move |out: &mut iot_core::adapter::Out<'_>| {
        polls += 1;
        assert!(polls < 2, "enough");
        out.number("level", 0.5);
    });
    let (launch, desk) = launch("closure", kind, json!({"interval_ms": 5}));
    rig.host.start(launch).await;
    let up = rig.until("closure", InstanceState::GaveUp).await;
    assert!(up.reason.unwrap().contains("enough"));
    assert_eq!((up.restarts, up.readings), (0, 1));
    assert!(desk.told().latest("closure", "level").is_some());
    assert!(rig.host.restart(&name("closure")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_closes_the_old_one_first() {
    let rig = Rig::new(quick());
    let old = rig.start::<Good>("replaced", json!({"interval_ms": 5})).await;
    rig.until_that("replaced", "read", |s| s.readings > 0).await;
    let new = rig.start::<Good>("replaced", json!({"interval_ms": 7})).await;
    assert_eq!(old.told().gone, 1, "the old one is closed when the new one starts");
    let seen = old.told().accepted;
    until("the new one reads", SOON, async || new.told().accepted > 2).await;
    assert_eq!(old.told().accepted, seen);
    assert_eq!(rig.host.statuses().len(), 1);
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_host_ends_its_instances() {
    let rig = Rig::new(quick());
    let kind = kind_of::<Good>();
    let (launch, desk) = launch("dropped", Arc::clone(&kind), json!({"interval_ms": 5}));
    rig.host.start(launch).await;
    rig.until_that("dropped", "read", |s| s.readings > 0).await;
    drop(rig);
    until("it is closed", SOON, async || desk.told().gone == 1).await;
}

//! Commands find their instance, and each has an outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iot_core::domain::{Home, InstanceState, Outcome};
use iot_core::port::{CommandRoute, PluginHost};
use iot_testkit::wait::until;
use serde_json::json;

use crate::rig::{Rig, SOON, command, home, name, quick};
use crate::specimens::{Blocks, Floods, Good, gate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_reaches_its_own_instance() {
    let rig = Rig::new(quick());
    for instance in ["one", "two"] {
        rig.start::<Good>(instance, json!({})).await;
        rig.until(instance, InstanceState::Running).await;
    }
    for instance in ["one", "two"] {
        assert!(rig.host.serves(&home(instance)));
        rig.accepts(instance).unwrap();
        let outcome = rig.host.deliver(&home(instance), command(instance, "echo", json!(7))).await;
        assert_eq!(outcome, Outcome::Done(json!({"by": instance, "of": 7})));
    }
    let outcome = rig.host.deliver(&home("one"), command("one", "fly", json!({}))).await;
    assert_eq!(outcome, Outcome::Refused("fly is unknown".into()));
    assert!(!rig.host.serves(&home("three")));
    assert!(!rig.host.serves(&Home::Api));
    let outcome = rig.host.deliver(&home("three"), command("three", "echo", json!(7))).await;
    assert!(matches!(outcome, Outcome::Refused(_)));
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_command_may_have_run_it() {
    let rig = Rig::new(quick());
    rig.start::<Good>("fragile", json!({})).await;
    rig.until("fragile", InstanceState::Running).await;
    let outcome = rig.host.deliver(&home("fragile"), command("fragile", "panic", json!({}))).await;
    assert_eq!(outcome, Outcome::TimedOut { may_have_run: true });
    rig.until_that("fragile", "running again", |s| {
        s.restarts == 1 && s.state == InstanceState::Running
    })
    .await;
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_never_ends_is_over_at_its_deadline() {
    let rig = Rig::new(quick());
    rig.start::<Good>("slow", json!({})).await;
    rig.until("slow", InstanceState::Running).await;
    let mut slow = command("slow", "sleep", json!({}));
    slow.time_left = Duration::from_millis(50);
    let outcome = rig.host.deliver(&home("slow"), slow).await;
    assert_eq!(outcome, Outcome::TimedOut { may_have_run: true });
    let outcome = rig.host.deliver(&home("slow"), command("slow", "echo", json!(1))).await;
    assert!(matches!(outcome, Outcome::Done(_)), "it takes the next: {outcome:?}");
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_a_blocked_instance_wait_are_refused_as_busy_and_never_run_late() {
    let mut limits = quick();
    limits.commands = 2;
    limits.stop = Duration::from_millis(100);
    limits.hang_at_least = Duration::from_secs(60);
    let rig = Arc::new(Rig::new(limits));
    rig.start::<Blocks>("jammed", json!({"at": 1, "interval_ms": 20})).await;
    until("its thread blocks", SOON, async || gate("jammed").blocked.load(Ordering::SeqCst) == 1)
        .await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let rig = Arc::clone(&rig);
        waiting.push(iot_core::task::spawn(async move {
            rig.host.deliver(&home("jammed"), command("jammed", "echo", json!(1))).await
        }));
    }
    let busy = until("the queue is full", SOON, async || {
        rig.accepts("jammed").err().ok_or("it takes more")
    })
    .await;
    assert_eq!(busy, "busy: 2 commands wait for instance jammed already");
    let outcome = rig.host.deliver(&home("jammed"), command("jammed", "echo", json!(1))).await;
    assert_eq!(outcome, Outcome::Refused(busy));
    rig.host.stop(&name("jammed")).await;
    for waiting in waiting {
        let Outcome::Refused(why) = waiting.await.unwrap() else { panic!("it did not run") };
        assert!(why.contains("did not run"), "{why}");
    }
    gate("jammed").open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_never_keeps_its_schedule_takes_commands_and_polls() {
    let rig = Rig::new(quick());
    rig.start::<Floods>("late", json!({})).await;
    let mut readings = rig.until_that("late", "read", |s| s.readings > 0).await.readings;
    for _ in 0..3 {
        let outcome = rig.host.deliver(&home("late"), command("late", "fly", json!({}))).await;
        assert!(matches!(outcome, Outcome::Refused(why) if why.contains("not a command")));
        readings = rig.until_that("late", "read on", |s| s.readings > readings).await.readings;
    }
    assert!(rig.status("late").skipped > 0);
    rig.host.stop_all().await;
}

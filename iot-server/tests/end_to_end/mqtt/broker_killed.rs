//! The outside broker killed under 2,000 readings a second: every committed reading was answered by
//! its PUBACK, in order, and next to nothing is sent twice.

use std::collections::BTreeSet;
use std::time::Duration;

use iot_core::task;
use iot_testkit::mqtt::Recorder;
use iot_testkit::wait::until;
use serde_json::Value as Json;

use super::gateway_killed::stored;
use super::site::{PATIENCE, Site, broker};
use super::writer::{self, DEVICES, Writer};

/// How long a life of the broker is drawn, in milliseconds: long enough that the share of what is
/// sent twice says something.
const LIFE: std::ops::RangeInclusive<u64> = 1_500..=3_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_a_broker_killed_over_and_over_acknowledges_every_reading_in_order() {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outside = broker();
    let recorder = Recorder::start(outside.address()).unwrap();
    let devices: Vec<String> = (0..DEVICES).map(|n| format!("\"w{n}\"")).collect();
    let site = Site::linked(recorder.address(), &format!("devices = [{}]", devices.join(",")));
    site.stands("live").await;

    let rounds = if crate::long() { 50 } else { 8 };
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let address = site.mqtt();
    let writing = task::spawn(async move {
        let mut writer = Writer::default();
        while !*stopped.borrow_and_update() {
            writer.live(address, Duration::from_millis(500), true).await;
        }
        writer
    });
    for _ in 0..rounds {
        // Not a wait for a state: the moment of the crash is what is drawn.
        tokio::time::sleep(Duration::from_millis(random.u64(LIFE))).await;
        outside.kill9();
        outside.restart().unwrap();
        until("the link is up again", PATIENCE, async || {
            let link = site.link();
            let up = link["state"] == "live" || link["state"] == "catching_up";
            if up { Ok(()) } else { Err(link) }
        })
        .await;
    }
    stop.send(true).unwrap();
    let writer = writing.await.unwrap();
    let link = site.settled().await;

    let committed = stored(&site);
    assert_eq!(committed.len() as u64, writer.written(), "all that was written is stored");
    let recording = recorder.recording();
    let number = |payload: &[u8]| {
        let reading: Json = serde_json::from_slice(payload).unwrap();
        writer::number(&reading)
    };
    let data = |topic: &str| topic.ends_with("/data");
    let answered: BTreeSet<u64> = recording
        .acknowledged()
        .filter(|publish| data(&publish.topic))
        .filter_map(|publish| number(&publish.payload))
        .collect();
    let lost: Vec<_> = committed.difference(&answered).take(5).collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?} have no PUBACK; {link}");
    assert!(recording.out_of_order().is_empty(), "{:?}", recording.out_of_order().first());
    assert!(recording.faults.is_empty(), "{:?}", recording.faults);

    let all = recording.publishes.iter().filter(|publish| data(&publish.topic)).count();
    let again = all - answered.len();
    println!(
        "{rounds} kills: {} readings, {all} publishes, {again} sent again, {} in flight at most",
        answered.len(),
        recording.most_in_flight()
    );
    assert!(again * 100 < all, "seed {seed}: {again} of {all} were sent again");
    // Of data; what a new session announces of devices comes beside it.
    assert!(recording.most_in_flight() <= 1_100, "{} in flight", recording.most_in_flight());
    assert_eq!(link["dropped"], serde_json::json!({}), "{link}");
    assert_eq!(link["acknowledged"].as_u64(), Some(writer.written()), "{link}");
}

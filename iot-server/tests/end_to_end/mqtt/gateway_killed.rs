//! `kill -9` of the gateway under 2,000 readings a second of QoS 1: what was acknowledged is on disk,
//! and reaches whoever waits for it at an outside broker.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iot_core::task;
use iot_testkit::mqtt::{Client, Packet};
use iot_testkit::wait::until;
use serde_json::Value as Json;

use super::site::{PATIENCE, Site, broker, listener};
use super::writer::{self, Writer};
use crate::sql;

/// The numbers of all readings that are stored.
pub(crate) fn stored(site: &Site) -> BTreeSet<u64> {
    let query = "select distinct cast(value as integer) as n from device_data \
                 where key = 'n' and device_id like 'w%'";
    let rows = sql::rows(&site.data(), query).unwrap();
    rows.iter().map(|row| row["n"].as_u64().unwrap()).collect()
}

/// Takes in the numbers of the readings that a subscriber gets, until its connection ends.
async fn hear(mut client: Client, heard: Arc<Mutex<BTreeSet<u64>>>) {
    while let Ok(packet) = client.recv_within(PATIENCE * 10).await {
        let Some(Packet::Publish(message)) = packet else { continue };
        let reading: Json = serde_json::from_slice(&message.payload).unwrap();
        if let Some(n) = writer::number(&reading) {
            heard.lock().unwrap().insert(n);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_acknowledged_survives_kill_9_and_reaches_the_outside_broker() {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let outside = broker();
    let mut site = Site::linked(outside.address(), "");
    site.stands("live").await;
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let subscriber = listener(outside.address(), "sub", "devices/+/data").await;
    let hearing = task::spawn(hear(subscriber, Arc::clone(&heard)));

    let mut writer = Writer::default();
    let rounds = if crate::long() { 50 } else { 8 };
    for round in 1..=rounds {
        let life = Duration::from_millis(random.u64(50..=2_000));
        let address = site.mqtt();
        {
            let writing = writer.live(address, PATIENCE, false);
            tokio::pin!(writing);
            // Not a wait for a state: the moment of the crash is what is drawn.
            tokio::select! {
                () = &mut writing => panic!("round {round}: the gateway ended by itself"),
                () = tokio::time::sleep(life) => {}
            }
            site.server.kill9();
            writing.await;
        }
        site.server.restart().unwrap();
        let stored = stored(&site);
        let lost: Vec<_> = writer.acknowledged.difference(&stored).take(5).collect();
        assert!(lost.is_empty(), "seed {seed}, round {round}, {life:?}: {lost:?} are lost");
    }
    writer.live(site.mqtt(), Duration::from_millis(500), true).await;
    assert_eq!(writer.acknowledged.len() as u64, writer.written());
    assert!(writer.written() > 1_000 * rounds / 2, "only {} were written", writer.written());

    let link = site.settled().await;
    let missing = || {
        let heard = heard.lock().unwrap();
        writer.acknowledged.iter().filter(|n| !heard.contains(n)).copied().collect::<Vec<_>>()
    };
    until("the subscriber has each reading", PATIENCE, async || match missing().len() {
        0 => Ok(()),
        n => Err(format!("{n} are missing, from {:?} on; {link}", missing().first())),
    })
    .await;
    hearing.abort();
    println!("{rounds} kills: {} readings acknowledged, none lost", writer.acknowledged.len());
    assert_eq!(sql::integrity(&site.data()), "ok");
}

//! A backlog drains fast while new readings come, and the link's figures are what a subscriber
//! counts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use iot_core::task;
use iot_testkit::mqtt::{Connect, Load, Packet, QoS};
use iot_testkit::servers::Proxy;
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use super::site::{PATIENCE, Site, broker};
use super::writer::{self, DEVICES, FIRST_MS, Writer};

/// What a build without full optimisation must reach on a machine that does other things as well;
/// the promise of a release is 20,000.
const LEAST: f64 = 4_000.0;
/// What the backlog and the new readings may take together.
const DRAINED_WITHIN: Duration = Duration::from_secs(300);

/// What a subscriber counted.
#[derive(Debug, Default)]
struct Counted {
    messages: u64,
    old: BTreeSet<u64>,
    new: BTreeSet<u64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_drains_while_new_readings_come_and_the_figures_are_exact() {
    let backlog: u64 = if crate::long() { 1_000_000 } else { 100_000 };
    let outside = broker();
    let proxy = Proxy::start(outside.address()).unwrap();
    let devices: Vec<String> =
        (0..DEVICES).flat_map(|n| [format!("\"w{n}\""), format!("\"b{n}\"")]).collect();
    let more = format!("devices = [{}]", devices.join(","));
    let mut site = Site::linked(proxy.address(), &more);
    site.stands("live").await;
    proxy.refuse().unwrap();
    proxy.cut();

    let mut client = site.client("filler").await;
    let flood = client
        .flood(Load::messages(backlog, 2_000), |n, publication| {
            use std::io::Write as _;
            publication.topic.push_str("devices/b");
            publication.topic.push_str(&(n % DEVICES).to_string());
            publication.topic.push_str("/data");
            write!(publication.payload, r#"{{"ts":{},"b":{n}}}"#, FIRST_MS + n).unwrap();
        })
        .await
        .unwrap();
    assert_eq!((flood.acknowledged, flood.refused), (backlog, 0));
    let link = site.link();
    assert!(link["lag"].as_u64().unwrap() >= backlog, "an outage is a lag: {link}");
    assert_eq!(link["dropped"], json!({}), "{link}");

    // Not through the proxy, and without acknowledgements, which would cost more than the counting.
    let mut subscriber = Connect::v5("counter").open(outside.address()).await.unwrap();
    subscriber.subscribe("devices/+/data", QoS::AtMostOnce).await.unwrap();
    let (say, mut said) = tokio::sync::watch::channel(0_usize);
    let counting = task::spawn(async move {
        let mut counted = Counted::default();
        while let Ok(Some(packet)) = subscriber.recv_within(PATIENCE).await {
            let Packet::Publish(message) = packet else { continue };
            counted.messages += 1;
            let reading: Json = serde_json::from_slice(&message.payload).unwrap();
            if let Some(n) = reading["b"].as_f64() {
                counted.old.insert(n as u64);
            } else if let Some(n) = writer::number(&reading) {
                counted.new.insert(n);
            } else {
                break; // the test's last word
            }
            say.send_replace(counted.old.len() + counted.new.len());
        }
        counted
    });

    // A link that begins anew does not wait out a long back-off first.
    proxy.accept().unwrap();
    site.server.restart().unwrap();
    let address = site.mqtt();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writing = task::spawn(async move {
        let mut writer = Writer::default();
        while !*stopped.borrow_and_update() {
            writer.live(address, Duration::from_millis(200), true).await;
        }
        writer
    });
    said.wait_for(|count| *count > 0).await.unwrap();
    let began = Instant::now();
    let link = until("the backlog is drained", DRAINED_WITHIN, async || {
        let link = site.link();
        if link["state"] == "live" { Ok(link) } else { Err(link) }
    })
    .await;
    let (took, drained) = (began.elapsed(), link["acknowledged"].as_u64().unwrap());
    assert!(drained >= backlog, "{drained} were acknowledged; {link}");
    stop.send(true).unwrap();
    let writer = writing.await.unwrap();
    let link = site.settled().await;

    let mut last = Connect::v5("last").open(outside.address()).await.unwrap();
    let all = usize::try_from(backlog + writer.written()).unwrap();
    tokio::time::timeout(PATIENCE, said.wait_for(|count| *count >= all)).await.unwrap().unwrap();
    let word = iot_testkit::mqtt::Message::new("devices/last/data", "{}");
    last.publish_and_wait(word).await.unwrap();
    let counted = counting.await.unwrap();

    let rate = drained as f64 / took.as_secs_f64();
    println!("a backlog of {backlog} and {} new: {rate:.0} readings/s", writer.written());
    assert_eq!(counted.old.len() as u64, backlog);
    assert_eq!(counted.new.len() as u64, writer.written());
    assert_eq!(counted.messages, 1 + all as u64, "each was sent once");
    assert_eq!(link["acknowledged"].as_u64(), Some(all as u64), "{link}");
    assert_eq!((&link["lag"], &link["dropped"]), (&json!(0), &json!({})), "{link}");
    let consumer = &site.ledger()["consumers"]["mqtt:up"];
    assert_eq!(consumer["acknowledged"].as_u64(), Some(all as u64), "{consumer}");
    assert_eq!((&consumer["pending"], &consumer["dropped"]), (&json!(0), &json!({})), "{consumer}");
    assert!(rate >= LEAST, "{rate:.0} readings/s");
}

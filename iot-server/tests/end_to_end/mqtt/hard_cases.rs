//! Hard cases of brokers, networks and payloads, by their names: one bad thing costs no connection,
//! and the next good message is stored.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iot_core::task;
use iot_testkit::mqtt::{Client, Connect, Message, QoS};
use iot_testkit::servers::{Mosquitto, Proxy, TestFolder};
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use super::site::{PATIENCE, Site, broker, listener, next_on};
use super::writer::Writer;

const INGEST: &str = "ingest = [\"devices/+/data\"]";
/// The next good message is stored so soon, whatever came before it.
const SOON: Duration = Duration::from_secs(1);
/// Added on a machine that does other things as well.
const SLACK: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

/// The two doors for devices: the gateway's own broker, and a link that takes in.
pub(super) async fn doors() -> [(Site, SocketAddr, Option<(Mosquitto, Proxy)>); 2] {
    let outside = broker();
    let proxy = Proxy::start(outside.address()).unwrap();
    let linked = Site::linked(proxy.address(), INGEST);
    linked.stands("live").await;
    let own = Site::start("");
    let (there, here) = (outside.address(), own.mqtt());
    subscribed(&linked, there).await;
    [(own, here, None), (linked, there, Some((outside, proxy)))]
}

/// Waits until a link hears what is published at its broker.
async fn subscribed(site: &Site, broker: SocketAddr) {
    let mut client = Connect::v5("first").open(broker).await.unwrap();
    until("the link takes in", PATIENCE, async || {
        client.publish_and_wait(reading("first", 1)).await.unwrap();
        site.latest("first", "n").is_some()
    })
    .await;
}

fn reading(device: &str, n: i64) -> Message {
    Message::new(format!("devices/{device}/data"), format!(r#"{{"n":{n}}}"#))
}

/// A good reading is stored at once.
pub(super) async fn goes_on(site: &Site, client: &mut Client, n: i64) {
    client.publish_and_wait(reading("good", n)).await.unwrap();
    site.shows("good", "n", n, SOON + SLACK).await;
}

async fn half_open(
    silent: impl FnOnce(&mut Mosquitto, &Proxy),
    again: impl FnOnce(&mut Mosquitto, &Proxy),
) {
    const KEEP_ALIVE: u64 = 3;
    let mut outside = broker();
    let proxy = Proxy::start(outside.address()).unwrap();
    let site = Site::linked(proxy.address(), &format!("keep_alive_s = {KEEP_ALIVE}"));
    site.stands("live").await;
    let mut writer = Writer::default();
    writer.live(site.mqtt(), Duration::from_secs(1), true).await;
    let before = site.resident();
    silent(&mut outside, &proxy);
    let began = Instant::now();
    let bound = Duration::from_millis(KEEP_ALIVE * 1_500) + Duration::from_secs(5);
    let address = site.mqtt();
    let writing = task::spawn(async move {
        writer.live(address, bound, true).await;
        writer
    });
    until("the link sees that its broker is silent", bound + SLACK, async || {
        let link = site.link();
        if link["state"] == "live" || link["state"] == "catching_up" { Err(link) } else { Ok(()) }
    })
    .await;
    let took = began.elapsed();
    let writer = writing.await.unwrap();
    let grown = site.resident().saturating_sub(before);
    println!("a silent broker was seen after {took:?}; memory grew by {} KiB", grown >> 10);
    assert!(took <= bound, "{took:?}");
    assert!(grown < 32 * MIB, "memory grew by {grown} bytes");
    again(&mut outside, &proxy);
    let link = site.settled().await;
    assert!(link["acknowledged"].as_u64().unwrap() >= writer.written(), "{link}");
    assert_eq!(link["dropped"], json!({}), "{link}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m3_a_broker_that_is_stopped_is_left_in_time_and_memory_is_flat() {
    half_open(|broker, _| broker.freeze().unwrap(), |broker, _| broker.thaw().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m3_a_network_that_swallows_everything_is_seen_in_time_and_memory_is_flat() {
    half_open(|_, proxy| proxy.hold(), |_, proxy| proxy.release()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m5_what_the_broker_would_not_take_is_dropped_and_counted_and_costs_no_connection() {
    let outside = Mosquitto::builder().line("max_packet_size 10000").start().unwrap();
    let proxy = Proxy::start(outside.address()).unwrap();
    let site = Site::linked(proxy.address(), "");
    site.stands("live").await;
    let mut subscriber = listener(outside.address(), "sub", "devices/good/data").await;
    let mut client = site.client("device").await;
    let mut dropped = 0;
    // Of 20 KB and of 200 KB, each a whole instant of one device.
    for (device, sensors) in [("large", 20), ("huge", 199)] {
        let text = "x".repeat(1_000);
        let fields: serde_json::Map<_, _> =
            (0..sensors).map(|n| (format!("s{n}"), Json::from(text.as_str()))).collect();
        for _ in 0..3 {
            let payload = Json::from(fields.clone()).to_string();
            let message = Message::new(format!("devices/{device}/data"), payload);
            assert_eq!(client.publish_and_wait(message).await.unwrap(), 0);
            dropped += sensors;
        }
        client.publish_and_wait(reading("good", sensors)).await.unwrap();
        let heard = next_on(&mut subscriber, "devices/good/data").await;
        assert!(heard.text().contains(&format!("\"n\":{sensors}")), "{heard:?}");
    }
    let link = site.settled().await;
    assert_eq!(link["dropped"], json!({"too_large": dropped}), "{link}");
    assert_eq!(proxy.connections(), 1, "it never had to connect again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m6_large_retained_messages_of_the_outside_cost_no_connection() {
    for version in ["5", "3.1.1"] {
        let outside = broker();
        let mut other = Connect::v5("other").open(outside.address()).await.unwrap();
        for (n, size) in [11 << 10, 1 << 20, 10 << 20].into_iter().enumerate() {
            let large = Message::new(format!("devices/big{n}/data"), vec![b'x'; size]).retained();
            other.publish_and_wait(large).await.unwrap();
        }
        let proxy = Proxy::start(outside.address()).unwrap();
        let site = Site::linked(proxy.address(), &format!("{INGEST}\nversion = \"{version}\""));
        site.stands("live").await;
        subscribed(&site, outside.address()).await;
        goes_on(&site, &mut other, 1).await;
        // And those that come while it is up.
        let large = Message::new("devices/big/data", vec![b'x'; 10 << 20]);
        other.publish_and_wait(large).await.unwrap();
        goes_on(&site, &mut other, 2).await;
        assert_eq!(proxy.connections(), 1, "version {version}: it never had to connect again");
        let (oversized, retained) = (site.refused("oversized"), site.refused("retained"));
        assert!(oversized + retained >= 1, "version {version}: they are counted");
        assert!(site.resident() < 150 * MIB, "version {version}: {} bytes", site.resident());
    }
}

/// Payloads that are none, made of a few that are bad in a way of their own.
fn poison(n: usize) -> Vec<u8> {
    let text = match n % 12 {
        0 => "[".repeat(10_000) + &"]".repeat(10_000),
        1 => r#"{"t":NaN}"#.to_owned(),
        2 => r#"{"t":1e999}"#.to_owned(),
        3 => format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)),
        4 => r#"{"t":1,"t":2}"#.to_owned(),
        5 => format!(r#"{{"t":{n}"#),
        6 => return [b"{\"t\":\"\xff\xfe", &n.to_be_bytes()[..], b"\"}"].concat(),
        7 => return [&b"\x1f\x8b\x08\x00\x00"[..], &n.to_be_bytes()].concat(),
        8 => String::new(),
        9 => format!(r#"{{"t":[{n}],"":1,"a b":2,"ts":"never"}}"#),
        10 => r#"{"ts":1e400,"t":1}"#.to_owned(),
        _ => return fastrand::Rng::with_seed(n as u64).u64(..).to_be_bytes().repeat(1 + n % 200),
    };
    text.into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m7_poison_at_either_door_is_acknowledged_and_the_next_message_is_stored() {
    let count = if crate::long() { 10_000 } else { 600 };
    for (site, at, outside) in doors().await {
        let mut client = Connect::v5("poisoner").open(at).await.unwrap();
        for n in 0..count {
            let message = Message::new("devices/poisoned/data", poison(n));
            let code = client.publish_and_wait(message).await.unwrap();
            assert!(outside.is_none() || code < 0x80, "{n}: {code:#x}");
            if n % 97 == 0 {
                goes_on(&site, &mut client, n as i64).await;
            }
        }
        goes_on(&site, &mut client, -1).await;
        assert!(site.refused("malformed") >= count as u64 / 3, "{}", site.ledger());
        let newest = site.get("diagnostics/refused");
        assert_eq!(newest["items"][0]["topic"], "devices/poisoned/data", "{newest}");
        if let Some((_, proxy)) = outside {
            assert_eq!(proxy.connections(), 1, "it never had to connect again");
        }
    }
}

/// Has the host asked through the outside broker until it answers.
async fn commands_work(site: &Site, outside: SocketAddr, id: &str, within: Duration) {
    let mut asker = Connect::v5("asker").open(outside).await.unwrap();
    let devices = site.get("devices");
    let devices = devices["items"].as_array().unwrap();
    let host = devices.iter().find(|device| device["home"] == "instance:host").unwrap();
    let host = host["device_id"].as_str().unwrap();
    asker.subscribe(&format!("devices/{host}/commands/result"), QoS::AtLeastOnce).await.unwrap();
    let command = json!({"id": id, "name": "set_interval", "params": {"interval_ms": 700}});
    let began = Instant::now();
    loop {
        // At QoS 1 to a broker that has nobody to give it to: asked again until somebody hears.
        let message = Message::new(format!("devices/{host}/commands"), command.to_string());
        asker.publish_and_wait(message).await.unwrap();
        if let Some(result) = asker.message_within(Duration::from_millis(300)).await.unwrap() {
            let result: Json = serde_json::from_slice(&result.payload).unwrap();
            // An earlier command that was asked for twice is answered twice.
            if result["id"] == id {
                assert_eq!(result["outcome"], "done", "{result}");
                return;
            }
        }
        assert!(began.elapsed() < within, "no answer after {:?}: {}", began.elapsed(), site.link());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m12_a_broker_that_forgot_the_session_is_subscribed_to_again() {
    let mut outside = Mosquitto::builder().persistent().start().unwrap();
    let site = Site::linked(outside.address(), &format!("{INGEST}\ncommands = true"));
    site.stands("live").await;
    until("the host is there", PATIENCE, async || !site.devices().is_empty()).await;
    for round in 0..if crate::long() { 20 } else { 4 } {
        commands_work(
            &site,
            outside.address(),
            &format!("c{round}"),
            Duration::from_secs(5) + SLACK,
        )
        .await;
        outside.kill9();
        outside.wipe().unwrap();
        outside.restart().unwrap();
    }
    commands_work(&site, outside.address(), "last", Duration::from_secs(5) + SLACK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m12_a_subscription_that_the_broker_denies_is_shown() {
    // Its access control file cannot deny a subscription; its plugin can.
    let folder = TestFolder::new("acl").unwrap();
    let rules = folder.path().join("rules.json");
    std::fs::write(
        &rules,
        r#"{"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,
            "subscribe":false,"unsubscribe":true}}"#,
    )
    .unwrap();
    let outside = Mosquitto::builder()
        .line(format!("plugin {}", plugin().display()))
        .line(format!("plugin_opt_config_file {}", rules.display()))
        .start()
        .unwrap();
    let site = Site::linked(outside.address(), INGEST);
    until("the denial is shown", PATIENCE, async || {
        let link = site.link();
        let reason = link["reason"].as_str().unwrap_or_default();
        if reason.contains("refused the subscription") { Ok(()) } else { Err(link) }
    })
    .await;
    // What it may do, it still does.
    let mut client = site.client("device").await;
    client.publish_and_wait(reading("good", 1)).await.unwrap();
    let link = until("readings still go out", PATIENCE, async || {
        let link = site.link();
        if link["acknowledged"].as_u64() > Some(0) { Ok(link) } else { Err(link) }
    })
    .await;
    assert!(link["reason"].as_str().is_some_and(|why| why.contains("NotAuthorized")), "{link}");
}

fn plugin() -> std::path::PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    folders
        .map(|folder| folder.unwrap().path().join("mosquitto_dynamic_security.so"))
        .find(|file| file.exists())
        .expect("Debian's mosquitto brings its dynamic security plugin")
}

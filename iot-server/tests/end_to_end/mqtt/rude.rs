//! Clients of the embedded broker that behave badly: memory is bounded, and neighbours notice
//! nothing.

use std::time::{Duration, Instant};

use iot_core::task;
use iot_testkit::mqtt::{Client, Connect, Message, QoS};
use iot_testkit::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{PATIENCE, Site};

const MIB: u64 = 1 << 20;
/// What a client that behaves badly may cost.
const COST: u64 = 48 * MIB;
/// A neighbour gets its acknowledgement so soon.
const PROMPT: Duration = Duration::from_secs(2);

/// A neighbour publishes for this long, and each of its messages is acknowledged promptly.
async fn neighbour(site: &Site, lasting: Duration) {
    let mut client = site.client("neighbour").await;
    let (began, mut slowest, mut count) = (Instant::now(), Duration::ZERO, 0_u32);
    while began.elapsed() < lasting {
        let asked = Instant::now();
        let reading = Message::new("devices/neighbour/data", format!(r#"{{"n":{count}}}"#));
        assert_eq!(client.publish_and_wait(reading).await.unwrap(), 0);
        slowest = slowest.max(asked.elapsed());
        count += 1;
    }
    println!("the neighbour: {count} acknowledgements, the slowest after {slowest:?}");
    assert!(slowest < PROMPT, "{slowest:?}");
    site.shows("neighbour", "n", i64::from(count) - 1, PATIENCE).await;
}

/// Publishes as long as the broker takes anything, and reads nothing.
async fn flood(mut client: Client, topic: &str, qos: QoS) {
    for n in 0_u64.. {
        let message = Message::new(topic, format!(r#"{{"n":{n}}}"#)).qos(qos);
        if client.publish(message).await.is_err() {
            std::future::pending::<()>().await; // it was sent away, or holds its breath
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_that_are_never_read_cost_little_and_hurt_nobody() {
    let site = Site::start("");
    neighbour(&site, Duration::from_millis(500)).await;
    let before = site.resident();
    let mut floods = tokio::task::JoinSet::new();
    for n in 0..4 {
        let client = Connect::v5(format!("flood{n}")).receive_buffer(4_096);
        let client = client.open(site.mqtt()).await.unwrap();
        floods.spawn(async move { flood(client, "devices/flood/data", QoS::AtLeastOnce).await });
    }
    neighbour(&site, Duration::from_secs(5)).await;
    let grown = site.resident().saturating_sub(before);
    floods.shutdown().await;
    println!("memory grew by {} KiB", grown >> 10);
    assert!(grown < COST, "memory grew by {grown} bytes");
    neighbour(&site, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_costs_little_and_hurts_nobody() {
    let site = Site::start("");
    neighbour(&site, Duration::from_millis(500)).await;
    let before = site.resident();
    let mut stuck = Vec::new();
    for n in 0..8 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce][n % 2];
        let mut client =
            Connect::v5(format!("stuck{n}")).receive_buffer(4_096).open(site.mqtt()).await.unwrap();
        client.subscribe("#", qos).await.unwrap();
        stuck.push(client);
    }
    let mut talker = site.client("talker").await;
    let talking = task::spawn(async move {
        let load = iot_testkit::mqtt::Load::lasting(Duration::from_secs(5), 200);
        talker
            .flood(load, |_, publication| {
                publication.topic.push_str("talk");
                publication.payload.resize(4_096, b'x');
            })
            .await
            .unwrap()
    });
    neighbour(&site, Duration::from_secs(5)).await;
    let flood = talking.await.unwrap();
    let grown = site.resident().saturating_sub(before);
    println!("{} messages went by; memory grew by {} KiB", flood.acknowledged, grown >> 10);
    assert!(flood.acknowledged > 1_000, "{flood:?}");
    assert!(grown < COST, "memory grew by {grown} bytes");
    drop(stuck);
    neighbour(&site, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_that_never_comes_is_not_waited_for() {
    let site = Site::start("");
    let mut silent = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(site.mqtt()).await.unwrap();
        // Some say nothing, the others the beginning of a CONNECT.
        if n % 2 == 0 {
            stream.write_all(b"\x10\x20\x00\x04MQ").await.unwrap();
        }
        silent.push(stream);
    }
    neighbour(&site, Duration::from_secs(1)).await;
    for mut stream in silent {
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await;
        assert!(matches!(closed.expect("it is closed"), Ok(0) | Err(_)));
    }
    until("their places are free", PATIENCE, async || {
        let mqtt = site.get("diagnostics")["mqtt"].clone();
        if mqtt["connections"] == 0 { Ok(()) } else { Err(mqtt) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_clients_with_one_id_the_later_stays() {
    let site = Site::start("");
    let mut older = Connect::v5("one").open(site.mqtt()).await.unwrap();
    let mut newer = Connect::v5("one").open(site.mqtt()).await.unwrap();
    assert_eq!(older.expect_end().await.unwrap(), Some(0x8e), "session taken over");
    let mut old = Connect::v3("two").open(site.mqtt()).await.unwrap();
    let reading = || Message::new("devices/one/data", r#"{"n":1}"#);
    assert_eq!(newer.publish_and_wait(reading()).await.unwrap(), 0);
    let mut new = Connect::v3("two").open(site.mqtt()).await.unwrap();
    old.expect_end().await.unwrap();
    assert_eq!(new.publish_and_wait(reading()).await.unwrap(), 0);
    neighbour(&site, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_ends_the_connection_that_it_came_by_and_no_other() {
    let site = Site::start("");
    let mut random = fastrand::Rng::with_seed(7);
    neighbour(&site, Duration::from_millis(300)).await;
    let before = site.resident();
    for n in 0..200 {
        let mut bytes: Vec<u8> = (0..random.usize(1..2_000)).map(|_| random.u8(..)).collect();
        if n % 2 == 0 {
            let mut stream = TcpStream::connect(site.mqtt()).await.unwrap();
            // It may be closed before all of it is sent.
            let _ = stream.write_all(&bytes).await;
        } else {
            // An acknowledgement of nothing, a reserved kind, a length without end.
            bytes[0] = [0x40, 0xf5, 0x00, 0x36][n / 2 % 4];
            let mut client = Connect::v5(format!("garbage{n}")).open(site.mqtt()).await.unwrap();
            let _ = client.raw(&bytes).await;
        }
    }
    let mut client = Connect::v5("reserved").open(site.mqtt()).await.unwrap();
    client.raw(&[0x00, 0x00]).await.unwrap();
    assert!(client.expect_end().await.unwrap().is_some_and(|code| code >= 0x80));
    neighbour(&site, Duration::from_secs(1)).await;
    let grown = site.resident().saturating_sub(before);
    assert!(grown < COST, "memory grew by {grown} bytes");
    assert!(!site.server.stderr().contains("panicked"), "{}", site.server.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_10_mb_is_refused_by_its_header() {
    let site = Site::start("");
    neighbour(&site, Duration::from_millis(300)).await;
    let before = site.resident();
    for n in 0..10 {
        let connect = if n % 2 == 0 { Connect::v5("large") } else { Connect::v3("large") };
        let mut client = connect.open(site.mqtt()).await.unwrap();
        let message = Message::new("devices/large/data", vec![b'x'; 10 << 20]);
        // The broker may close before all of it is sent.
        let _ = client.publish(message).await;
        let said = client.expect_end().await.unwrap();
        assert!(said.is_none() || said == Some(0x95), "{said:?}");
    }
    neighbour(&site, Duration::from_secs(1)).await;
    let grown = site.resident().saturating_sub(before);
    println!("memory grew by {} KiB", grown >> 10);
    assert!(grown < 16 * MIB, "memory grew by {grown} bytes");
}

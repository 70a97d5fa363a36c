//! Clients that do not read: they are told, they slow nobody, and in the end they are closed.

use std::time::{Duration, Instant};

use iot_core::domain::{Quality, Value};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::kit::{Asked, Site};
use crate::live::Client;

/// A connection whose kernel takes little before it is read.
pub(crate) async fn narrow(site: &Site) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(site.address).await.unwrap()
}

/// A socket that subscribes to everything and then is left alone.
pub(crate) async fn left_alone(site: &Site) -> TcpStream {
    let mut stream = narrow(site).await;
    let request = format!(
        "GET /api/v1/ws HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        site.address, site.admin
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    let text = json!({"type": "subscribe", "id": 1, "devices": ["*"]}).to_string();
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await.unwrap();
    stream
}

pub(crate) async fn batch(site: &Site, number: i64) {
    let first = 1_700_000_000_000 + number * 1_000;
    let readings = (0..1_000).map(|n| (first + n, Some(Value::from(n as f64)), Quality::Good));
    site.put_all("a.t", readings.collect()).await;
}

/// More than the bus and the kernel's buffers hold.
const BATCHES: i64 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_lags_alone_and_is_closed_with_1013() {
    let site = Site::start().await;
    site.put("a.t", 1_600_000_000_000, 0.0).await;
    let mut stopped = left_alone(&site).await;
    let mut other = Client::signed_in(&site).await;
    other.say(json!({"type": "subscribe", "id": 1, "devices": ["*"]})).await;
    other.hear_type("snapshot").await;
    let began = Instant::now();
    for number in 0..BATCHES {
        batch(&site, number).await;
        let mut heard = 0;
        while heard < 1_000 {
            let message = other.hear().await.unwrap();
            assert_ne!(message["type"], "lagged", "a client that reads does not lag");
            if message["type"] == "readings" {
                heard += message["readings"].as_array().unwrap().len();
            }
        }
    }
    let counted = async || site.get("/api/v1/diagnostics").await.ok(200)["websockets"].clone();
    iot_testkit::wait::until("the stopped client is closed", Duration::from_secs(40), async || {
        let now = counted().await;
        if now["closed_unread"] == 1 { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(40));
    let mut rest = Vec::new();
    // The connection may end by a reset: what matters is that it ends.
    let _ended = tokio::time::timeout(Duration::from_secs(5), stopped.read_to_end(&mut rest)).await;
    site.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_again_is_told_how_much_it_missed_and_gets_the_latest() {
    let site = Site::start().await;
    site.put("a.t", 1_600_000_000_000, 0.0).await;
    let mut stopped = left_alone(&site).await;
    for number in 0..BATCHES {
        batch(&site, number).await;
    }
    let (mut told, mut tail) = (false, String::new());
    let mut some = vec![0_u8; 64 << 10];
    let latest = "\"ts\":1700000149999,\"value\":999.0";
    let read = async {
        while !(told && tail.contains(latest)) {
            let n = stopped.read(&mut some).await.unwrap();
            assert!(n > 0, "it is not thrown out");
            // What a word may need of the read before this one.
            tail.drain(..tail.len().saturating_sub(200));
            tail.extend(some[..n].iter().filter(|byte| byte.is_ascii()).map(|byte| *byte as char));
            told |= tail.contains("\"type\":\"lagged\"");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
    assert!(
        site.get("/api/v1/diagnostics").await.ok(200)["websockets"]["lagged"].as_u64() >= Some(1)
    );
    site.running.stop().await;
}

#[tokio::test]
async fn a_body_that_never_ends_and_a_head_that_never_comes_hold_nobody_up() {
    let site = Site::start().await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream
            .write_all(b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-")
            .await
            .unwrap();
        idle.push(stream);
    }
    let began = Instant::now();
    assert_eq!(Asked::get("/health/ready").to(site.address).await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut chunked = TcpStream::connect(site.address).await.unwrap();
    let head = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    chunked.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    let (mut reading, mut writing) = chunked.into_split();
    let writer =
        iot_core::task::spawn(
            async move { while writing.write_all(chunk.as_bytes()).await.is_ok() {} },
        );
    let mut answer = vec![0_u8; 12];
    tokio::time::timeout(Duration::from_secs(10), reading.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    writer.abort();
    site.running.stop().await;
}

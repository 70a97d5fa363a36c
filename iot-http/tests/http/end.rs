//! The end: after it nothing of the layer lives on, whoever does not read.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use iot_core::domain::Timestamp;
use iot_core::port::Clock;
use iot_http::{Http, HttpConfig};
use iot_testkit::sim::SimClock;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::kit::{Asked, PATIENCE, Site};
use crate::slow::{batch, left_alone, narrow};

/// More than the kernel's buffers hold.
const BATCHES: i64 = 40;
/// How long an end may take, with a busy machine's delay.
const END: Duration = Duration::from_secs(3);

/// A gateway, and what is there as long as any of its handles is.
async fn held() -> (Site, Weak<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let weak = Arc::downgrade(&clock);
    let site = Site::bare(Http::on("127.0.0.1:0"), |builder| builder.clock(clock)).await;
    (site, weak)
}

async fn gone(held: &Weak<dyn Clock>, since: Instant) {
    let left = END.saturating_sub(since.elapsed());
    iot_testkit::wait::until("the last handle is gone", left, async || match held.strong_count() {
        0 => Ok(()),
        n => Err(format!("{n} hold it")),
    })
    .await;
}

/// Clients that take nothing of what they asked for: a socket, and a file.
async fn stuck(site: &Site) -> [TcpStream; 2] {
    site.put("a.t", 1_600_000_000_000, 0.0).await;
    let socket = left_alone(site).await;
    for number in 0..BATCHES {
        batch(site, number).await;
    }
    let mut file = narrow(site).await;
    let head = format!(
        "GET /api/v1/sensors/a.t/data?format=jsonl HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        site.address, site.admin
    );
    file.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0_u8; 12];
    file.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    [socket, file]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_leaves_no_client_behind_that_does_not_read() {
    let (site, held) = held().await;
    let _stuck = stuck(&site).await;
    let began = Instant::now();
    site.running.stop().await;
    gone(&held, began).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_dropped_leaves_none_either() {
    let (site, held) = held().await;
    let _stuck = stuck(&site).await;
    let began = Instant::now();
    drop(site.running);
    gone(&held, began).await;
}

#[tokio::test]
async fn the_control_socket_has_places_when_the_network_has_none() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(4_096), most).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control.sock");
    let config = HttpConfig { control: Some(control.clone()), ..HttpConfig::default() };
    let site = Site::configured(config).await;
    let mut idle = Vec::new();
    for _ in 0..512 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0_u8; 12];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await;
        read.unwrap().unwrap();
        idle.push(stream);
    }
    let mut none = TcpStream::connect(site.address).await.unwrap();
    none.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let stream = UnixStream::connect(&control).await.unwrap();
    assert_eq!(Asked::get("/health/live").over(stream, "local").await.status, 200);
    let mut byte = [0_u8; 1];
    assert_eq!(none.try_read(&mut byte).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(idle);
    let read = tokio::time::timeout(PATIENCE, none.read_exact(&mut byte)).await;
    read.unwrap().unwrap();
    site.running.stop().await;
}

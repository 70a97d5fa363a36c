//! The proxy before a server that sends back what it is sent.

use super::*;
use crate::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(20);
/// Long enough to see that nothing comes.
const A_WHILE: Duration = Duration::from_millis(150);

struct Echo {
    address: SocketAddr,
    _connections: JoinSet<()>,
}

async fn echo() -> Echo {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    Echo { address, _connections: tasks }
}

async fn ask(stream: &mut TcpStream, words: &[u8]) -> Duration {
    let start = Instant::now();
    stream.write_all(words).await.unwrap();
    let mut answer = vec![0; words.len()];
    timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, words);
    start.elapsed()
}

#[tokio::test]
async fn it_passes_and_counts_both_ways() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut one, &vec![7; 3_000_000]).await;
    assert_eq!((proxy.connections(), proxy.open_connections()), (1, 1));
    assert_eq!(proxy.bytes_to(Side::Server), 3_000_000);
    // Counted after they are sent: the last may still be on its way into the figure.
    until("all are counted", SOON, async || proxy.bytes_to(Side::Client) == 3_000_000).await;
    drop(one);
    until("the end is passed on", SOON, async || proxy.open_connections() == 0).await;
}

#[tokio::test]
async fn latency_and_rate_slow_it_down() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set_latency(Duration::from_millis(60));
    assert!(ask(&mut one, b"there and back").await >= Duration::from_millis(120));
    proxy.set_latency(Duration::ZERO);
    proxy.set_rate(NonZeroU32::new(10_000));
    // The last piece of each way need not be waited for.
    assert!(ask(&mut one, &[7; 3_000]).await >= Duration::from_millis(250));
    proxy.set_rate(None);
    ask(&mut one, &[7; 3_000]).await;
}

#[tokio::test]
async fn what_is_held_comes_after_all() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut one, b"hello").await;
    proxy.hold();
    one.write_all(b"anybody?").await.unwrap();
    let mut two = TcpStream::connect(proxy.address()).await.unwrap();
    two.write_all(b"me?").await.unwrap();
    let mut answer = [0; 8];
    assert!(timeout(A_WHILE, one.read(&mut answer)).await.is_err(), "silence, no end");
    assert!(timeout(A_WHILE, two.read(&mut answer)).await.is_err(), "silence, no end");
    proxy.release();
    timeout(SOON, one.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"anybody?");
    timeout(SOON, two.read_exact(&mut answer[..3])).await.unwrap().unwrap();
}

#[tokio::test]
async fn torn_cut_and_half_closed_are_told_apart() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let connect = async || {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        ask(&mut stream, b"hello").await;
        stream
    };
    let mut buffer = [0; 8];

    let mut torn = connect().await;
    proxy.reset();
    let error = timeout(SOON, torn.read(&mut buffer)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let mut cut = connect().await;
    proxy.cut();
    assert_eq!(timeout(SOON, cut.read(&mut buffer)).await.unwrap().unwrap(), 0);

    // The server hears an end, says its own, and that is passed on.
    let mut half = connect().await;
    proxy.half_close(Side::Server);
    assert_eq!(timeout(SOON, half.read(&mut buffer)).await.unwrap().unwrap(), 0);

    let mut half = connect().await;
    proxy.half_close(Side::Client);
    assert_eq!(timeout(SOON, half.read(&mut buffer)).await.unwrap().unwrap(), 0);
    half.write_all(b"still heard").await.unwrap();
    until("it is passed on", SOON, async || proxy.bytes_to(Side::Server) == 4 * 5 + 11).await;
    assert_eq!(proxy.connections(), 4);
}

#[tokio::test]
async fn a_refusing_proxy_is_nobody_at_all() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut before = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut before, b"hello").await;
    proxy.refuse().unwrap();
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ask(&mut before, b"still here").await;
    proxy.accept().unwrap();
    ask(&mut TcpStream::connect(proxy.address()).await.unwrap(), b"again").await;
    // Nobody behind it: the client is torn off.
    proxy.set_target(SocketAddr::from((Ipv4Addr::LOCALHOST, free_ports::<1>("none").unwrap()[0])));
    let mut nobody = TcpStream::connect(proxy.address()).await.unwrap();
    let end = timeout(SOON, nobody.read(&mut [0; 8])).await.unwrap();
    assert!(!matches!(end, Ok(1..)), "{end:?}");
}

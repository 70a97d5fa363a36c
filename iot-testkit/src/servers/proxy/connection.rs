//! One connection through the proxy, from its accepting to its end.

use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Counts, Side, Tap, Weather};

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;
/// How many chunks may be on the way.
const CHUNKS: usize = 16;
/// A slow way is slow evenly: so many pieces a second.
const PIECES_PER_SECOND: u32 = 20;

/// One end reset the connection or could not be reached, or the test wants it so: whoever is left
/// is reset as well.
struct Torn;

impl From<io::Error> for Torn {
    fn from(_: io::Error) -> Self {
        Self
    }
}

pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) weather: watch::Receiver<Weather>,
    pub(super) counts: Arc<Counts>,
    pub(super) tap: Arc<dyn Tap>,
}

impl Connection {
    /// Connects `client` with the target until one of them, or the test, has had enough.
    pub(super) async fn carry(self, mut client: TcpStream) {
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        if self.run(&mut client).await.is_err() {
            tear(&client);
        }
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }

    async fn run(&self, client: &mut TcpStream) -> Result<(), Torn> {
        let mut weather = self.weather.clone();
        let begun = *weather.borrow_and_update();
        client.set_nodelay(true)?;
        let mut server = tokio::select! {
            server = dial(weather.clone()) => server?,
            end = blow(weather.clone(), begun, |_| {}) => return end,
        };
        let ends = (client.as_raw_fd(), server.as_raw_fd());
        let end = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let there = self.pass(from_client, to_server, Side::Server);
            let back = self.pass(from_server, to_client, Side::Client);
            tokio::select! {
                passed = async { tokio::try_join!(there, back) } => passed.map(|_| ()),
                end = blow(weather, begun, |to| {
                    let end = if to == Side::Client { ends.0 } else { ends.1 };
                    // It fails only on a socket that is shut already.
                    let _ = shutdown(end, Shutdown::Write);
                }) => end,
            }
        };
        if end.is_err() {
            tear(&server);
        }
        end
    }

    /// Passes on what comes, one way, until the sender closes or the receiver takes no more.
    async fn pass(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        side: Side,
    ) -> Result<(), Torn> {
        let (way_in, mut way_out) = mpsc::channel::<(Instant, BytesMut)>(CHUNKS);
        let mut weather = self.weather.clone();
        let read = async move {
            loop {
                open(&mut weather).await;
                let mut chunk = BytesMut::with_capacity(CHUNK);
                if from.read_buf(&mut chunk).await? == 0 {
                    return Ok::<_, Torn>(());
                }
                let arrival = Instant::now() + weather.borrow().latency;
                if way_in.send((arrival, chunk)).await.is_err() {
                    return Ok(());
                }
            }
        };
        let mut weather = self.weather.clone();
        let write = async move {
            while let Some((arrival, mut chunk)) = way_out.recv().await {
                if arrival > Instant::now() {
                    tokio::time::sleep_until(arrival).await;
                }
                while !chunk.is_empty() {
                    open(&mut weather).await;
                    let rate = weather.borrow().rate.map(|rate| rate.get());
                    let most = rate.map_or(CHUNK, |rate| {
                        usize::try_from(rate / PIECES_PER_SECOND).unwrap_or(CHUNK).max(1)
                    });
                    let piece = chunk.split_to(most.min(chunk.len()));
                    self.tap.passing(self.number, side, &piece);
                    if to.write_all(&piece).await.is_err() {
                        // The other way learns by itself how this end went.
                        return;
                    }
                    self.count(side).fetch_add(piece.len() as u64, Ordering::Relaxed);
                    if let Some(rate) = rate {
                        let part = piece.len() as f64 / f64::from(rate);
                        tokio::time::sleep(Duration::from_secs_f64(part)).await;
                    }
                }
            }
            open(&mut weather).await;
            let _ = to.shutdown().await;
        };
        // The reader ends first where the sender closes, the writer where nobody takes more.
        let mut read = std::pin::pin!(read);
        let mut write = std::pin::pin!(write);
        tokio::select! {
            end = &mut read => {
                end?;
                write.await;
            }
            () = &mut write => {}
        }
        Ok(())
    }

    fn count(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Client => &self.counts.to_client,
            Side::Server => &self.counts.to_server,
        }
    }
}

/// Makes what follows the closing of `socket` a reset.
fn tear(socket: &TcpStream) {
    // It fails only on a socket that is gone already.
    let _ = socket.set_zero_linger();
}

async fn dial(mut weather: watch::Receiver<Weather>) -> Result<TcpStream, Torn> {
    open(&mut weather).await;
    let target = weather.borrow().target;
    let server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// Waits while everything is held.
async fn open(weather: &mut watch::Receiver<Weather>) {
    // The error is that the proxy is gone: then the connection's end is near in any case.
    let _ = weather.wait_for(|weather| !weather.held).await;
}

/// Waits for what ends a connection that `begun` so, and half-closes where told.
async fn blow(
    mut weather: watch::Receiver<Weather>,
    begun: Weather,
    half_close: impl Fn(Side),
) -> Result<(), Torn> {
    let mut last = begun;
    loop {
        let now = *weather.borrow_and_update();
        if now.resets != begun.resets {
            return Err(Torn);
        }
        if now.cuts != begun.cuts || now.over {
            return Ok(());
        }
        if now.half_closes_to_client != last.half_closes_to_client {
            half_close(Side::Client);
        }
        if now.half_closes_to_server != last.half_closes_to_server {
            half_close(Side::Server);
        }
        last = now;
        if weather.changed().await.is_err() {
            return Ok(());
        }
    }
}

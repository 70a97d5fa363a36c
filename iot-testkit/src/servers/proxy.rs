//! A TCP proxy that makes a network bad at a test's word: slow, silent, torn, shut.
//!
//! It runs on a thread of its own, so that it goes on while a test blocks. What is set holds from
//! then on for all connections; [`cut`](Proxy::cut), [`reset`](Proxy::reset) and
//! [`half_close`](Proxy::half_close) happen once, to the connections that are open.
//!
//! ```no_run
//! # use iot_testkit::servers::Proxy;
//! # use std::time::Duration;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let broker = std::net::SocketAddr::from(([127, 0, 0, 1], 1883));
//! let proxy = Proxy::start(broker)?;
//! println!("connect to {}", proxy.address());
//! proxy.set_latency(Duration::from_secs(2));
//! proxy.set_rate(std::num::NonZeroU32::new(1_000));
//! proxy.hold(); // nothing passes, nobody is told
//! proxy.release();
//! proxy.reset();
//! # Ok(()) }
//! ```

mod connection;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::{ServerError, ServerErrorKind};
use super::ports::free_ports;
use crate::wait::try_until_blocking;

const NAME: &str = "proxy";
/// Its thread has nothing else to do.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// One end of what the proxy stands in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who connected to the proxy.
    Client,
    /// What the proxy connected to.
    Server,
}

/// Sees what passes.
///
/// It is called before the bytes go on, so that it knows of a question before its answer comes.
pub trait Tap: Send + Sync + 'static {
    /// `bytes` are about to be sent to `to` on `connection`, counted from 0.
    fn passing(&self, connection: u64, to: Side, bytes: &[u8]);
}

/// Nobody looks.
struct Unseen;

impl Tap for Unseen {
    fn passing(&self, _: u64, _: Side, _: &[u8]) {}
}

/// What is so now, and how often what happens once has happened.
#[derive(Debug, Clone, Copy)]
struct Weather {
    target: SocketAddr,
    latency: Duration,
    rate: Option<NonZeroU32>,
    held: bool,
    refusing: bool,
    resets: u64,
    cuts: u64,
    half_closes_to_client: u64,
    half_closes_to_server: u64,
    over: bool,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    open: AtomicU64,
    to_client: AtomicU64,
    to_server: AtomicU64,
    listening: AtomicBool,
}

/// A proxy between its clients and one address; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("weather", &*self.weather.borrow())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy before `target`, which need not listen yet.
    ///
    /// # Errors
    ///
    /// When no port is free or no thread can be had.
    pub fn start(target: SocketAddr) -> Result<Self, ServerError> {
        Self::tapped(target, Arc::new(Unseen))
    }

    /// A proxy before `target` that shows `tap` all that passes.
    ///
    /// # Errors
    ///
    /// When no port is free or no thread can be had.
    pub fn tapped(target: SocketAddr, tap: Arc<dyn Tap>) -> Result<Self, ServerError> {
        let [port] = free_ports(NAME)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let weather = watch::Sender::new(Weather {
            target,
            latency: Duration::ZERO,
            rate: None,
            held: false,
            refusing: false,
            resets: 0,
            cuts: 0,
            half_closes_to_client: 0,
            half_closes_to_server: 0,
            over: false,
        });
        let counts = Arc::new(Counts::default());
        let refused = |source| ServerError::new(NAME, ServerErrorKind::Refused(source));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let work = accept(address, weather.subscribe(), Arc::clone(&counts), tap);
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || runtime.block_on(work))
            .map_err(refused)?;
        let proxy = Self { address, weather, counts, thread: Some(thread) };
        proxy.wait_for_listening(true)?;
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends those who connect from now on to `target`.
    pub fn set_target(&self, target: SocketAddr) {
        self.change(|weather| weather.target = target);
    }

    /// What is sent arrives this much later, each way. More than a quarter of a megabyte does not
    /// fit on the way: it waits with the sender.
    pub fn set_latency(&self, latency: Duration) {
        self.change(|weather| weather.latency = latency);
    }

    /// Lets at most so many bytes a second pass, each way of each connection.
    pub fn set_rate(&self, bytes_per_second: Option<NonZeroU32>) {
        self.change(|weather| weather.rate = bytes_per_second);
    }

    /// Lets nothing pass and tells nobody: connections stay open, and new ones are taken but lead
    /// nowhere.
    pub fn hold(&self) {
        self.change(|weather| weather.held = true);
    }

    /// Lets pass what was held back, and all that follows.
    pub fn release(&self) {
        self.change(|weather| weather.held = false);
    }

    /// Tears the open connections at both ends: RST.
    pub fn reset(&self) {
        self.change(|weather| weather.resets += 1);
    }

    /// Closes the open connections at both ends: FIN.
    pub fn cut(&self) {
        self.change(|weather| weather.cuts += 1);
    }

    /// Tells `to` that no more will come, and lets the other way be.
    pub fn half_close(&self, to: Side) {
        self.change(|weather| match to {
            Side::Client => weather.half_closes_to_client += 1,
            Side::Server => weather.half_closes_to_server += 1,
        });
    }

    /// Stops listening, and returns when nobody can connect. Open connections stay: cut them too
    /// where they shall not.
    ///
    /// # Errors
    ///
    /// When it does not happen in time.
    pub fn refuse(&self) -> Result<(), ServerError> {
        self.change(|weather| weather.refusing = true);
        self.wait_for_listening(false)
    }

    /// Listens again, and returns when one can connect.
    ///
    /// # Errors
    ///
    /// When it does not happen in time, as when somebody else has taken the port.
    pub fn accept(&self) -> Result<(), ServerError> {
        self.change(|weather| weather.refusing = false);
        self.wait_for_listening(true)
    }

    /// How many have connected.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many are connected.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// How many bytes were sent to `side`.
    #[must_use]
    pub fn bytes_to(&self, side: Side) -> u64 {
        match side {
            Side::Client => self.counts.to_client.load(Ordering::Relaxed),
            Side::Server => self.counts.to_server.load(Ordering::Relaxed),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    fn wait_for_listening(&self, wanted: bool) -> Result<(), ServerError> {
        let what = if wanted { "it listens" } else { "it listens no more" };
        try_until_blocking(what, LISTENS_WITHIN, || {
            self.counts.listening.load(Ordering::Acquire) == wanted
        })
        .map_err(|wait| {
            ServerError::new(NAME, ServerErrorKind::TimedOut { wait, said: String::new() })
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(|weather| weather.over = true);
        if let Some(thread) = self.thread.take() {
            // It ends by a panic only where a tap panicked, which its test has to see elsewhere.
            let _ = thread.join();
        }
    }
}

/// Takes connections, while that is wanted, until the proxy is dropped.
async fn accept(
    address: SocketAddr,
    weather: watch::Receiver<Weather>,
    counts: Arc<Counts>,
    tap: Arc<dyn Tap>,
) {
    let mut connections = JoinSet::new();
    let mut ahead = weather.clone();
    while !weather.borrow().over {
        let Ok(listener) = TcpListener::bind(address).await else {
            // The port is taken; whoever waits for it is told by the deadline.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        counts.listening.store(true, Ordering::Release);
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((client, _)) = accepted {
                    let carried = connection::Connection {
                        number: counts.connections.fetch_add(1, Ordering::Relaxed),
                        weather: weather.clone(),
                        counts: Arc::clone(&counts),
                        tap: Arc::clone(&tap),
                    };
                    connections.spawn(carried.carry(client));
                },
                Some(_) = connections.join_next() => {}
                () = comes(&mut ahead, |weather| weather.refusing) => break,
            }
        }
        drop(listener);
        counts.listening.store(false, Ordering::Release);
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                () = comes(&mut ahead, |weather| !weather.refusing) => break,
            }
        }
    }
}

/// Waits for what is looked for, or the end of the proxy.
async fn comes(weather: &mut watch::Receiver<Weather>, wanted: impl Fn(&Weather) -> bool) {
    // The error is that the proxy is gone, after saying that it is over.
    let _ = weather.wait_for(|weather| wanted(weather) || weather.over).await;
}

#[cfg(test)]
mod tests;

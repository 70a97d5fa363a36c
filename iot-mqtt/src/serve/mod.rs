//! Sockets to connections: listeners of three transports, one bound, one end.
//!
//! - In: connections over TCP, TLS and WebSocket
//! - Out: streams of bytes to [`connection`]
//! - Bound: `max_clients` connections, those that have not said CONNECT included
//! - When full: the next connections wait in the kernel's backlog
//! - Counter: `connections` of the broker's figures

mod connection;
mod greeting;
mod listen;
mod owed;
mod pace;
mod tls;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::broker::Hub;
use crate::config::BrokerConfig;

pub(crate) use listen::Transport;

/// Who has not finished a handshake of TLS or WebSocket within this is not served.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the process has no file descriptors left.
const BREATH: Duration = Duration::from_millis(200);
/// How long connections have to say goodbye before they are cut.
const END: Duration = Duration::from_millis(1_500);
/// A WebSocket message holds any number of packets, or a part of one.
const FRAME: usize = 64 << 10;

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    transport: Transport,
    /// What is bound to this machine alone lets its clients in without a token.
    local: bool,
}

/// All listeners of the broker, bound.
pub(crate) struct Doors {
    doors: Vec<Door>,
    tls: Option<TlsAcceptor>,
}

impl Doors {
    /// Binds what is configured. What cannot be had is told in a sentence each; the rest is there.
    pub(crate) fn open(config: &BrokerConfig) -> (Self, Vec<String>) {
        let (mut doors, mut wrong) = (Vec::new(), Vec::new());
        let mut tls = None;
        if let Some(files) = &config.tls {
            match tls::acceptor(files) {
                Ok(acceptor) => tls = Some(acceptor),
                Err(why) => wrong.push(why),
            }
        }
        let encrypted: &[SocketAddr] = if tls.is_some() { &config.listen_tls } else { &[] };
        let wanted = [
            (Transport::Plain, config.listen.as_slice()),
            (Transport::Tls, encrypted),
            (Transport::WebSocket, config.websocket.as_slice()),
        ];
        for (transport, addresses) in wanted {
            for address in addresses {
                let local = address.ip().is_loopback();
                match listen::bind(*address, transport) {
                    Ok(listener) => doors.push(Door { listener, transport, local }),
                    Err(why) => wrong.push(why),
                }
            }
        }
        (Self { doors, tls }, wrong)
    }

    /// The bound addresses and how bytes travel there.
    pub(crate) fn addresses(&self) -> Vec<(Transport, SocketAddr)> {
        let bound = |door: &Door| Some((door.transport, door.listener.local_addr().ok()?));
        self.doors.iter().filter_map(bound).collect()
    }

    /// Serves until told to stop, then lets connections say goodbye.
    pub(crate) async fn serve(self, hub: Arc<Hub>, stop: CancellationToken) {
        let seats = Arc::new(Semaphore::new(hub.config.max_clients));
        let mut accepting = JoinSet::new();
        for door in self.doors {
            let (hub, seats, stop) = (hub.clone(), seats.clone(), stop.clone());
            let tls = self.tls.clone();
            accepting.spawn(Accepting { hub, seats, stop, tls }.run(door));
        }
        while accepting.join_next().await.is_some() {}
    }
}

struct Accepting {
    hub: Arc<Hub>,
    seats: Arc<Semaphore>,
    stop: CancellationToken,
    tls: Option<TlsAcceptor>,
}

impl Accepting {
    /// Accepts connections and owns their tasks.
    async fn run(self, door: Door) {
        let mut connections = JoinSet::new();
        loop {
            let seat = tokio::select! {
                () = self.stop.cancelled() => break,
                seat = self.seats.clone().acquire_owned() => seat,
            };
            // The semaphore is never closed.
            let Ok(seat) = seat else { break };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = door.listener.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let here = door.local && peer.ip().is_loopback();
                    self.spawn(&mut connections, door.transport, stream, here, seat);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the broker could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
        drop(door);
        let end = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(END, end).await.is_err() {
            tracing::debug!("connections to the broker did not end in time, they are cut");
        }
        connections.shutdown().await;
    }

    fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        transport: Transport,
        stream: TcpStream,
        here: bool,
        seat: OwnedSemaphorePermit,
    ) {
        // Acknowledgements are small and waited for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it was served");
            return;
        }
        let (hub, stop, tls) = (self.hub.clone(), self.stop.clone(), self.tls.clone());
        connections.spawn(async move {
            let _seat = seat;
            match (transport, tls) {
                (Transport::Plain, _) => connection::serve(stream, hub, here, stop).await,
                (Transport::Tls, Some(tls)) => {
                    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => connection::serve(stream, hub, false, stop).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    }
                }
                // Without its files no such door is opened.
                (Transport::Tls, None) => {}
                (Transport::WebSocket, _) => over_websocket(stream, hub, here, stop).await,
            }
        });
    }
}

async fn over_websocket(stream: TcpStream, hub: Arc<Hub>, here: bool, stop: CancellationToken) {
    let largest = hub.largest_packet().max(FRAME);
    let upgrading = websocket::upgrade(stream, &hub.config.origins, largest);
    match tokio::time::timeout(HANDSHAKE, upgrading).await {
        Ok(Ok(socket)) => {
            let (near, far) = websocket::pipe();
            // The connection ends the pipe, and the pipe's end the socket; and the other way round.
            tokio::join!(connection::serve(near, hub, here, stop), websocket::carry(socket, far));
        }
        Ok(Err(error)) => tracing::debug!(%error, "a WebSocket handshake failed"),
        Err(_) => tracing::debug!("a WebSocket handshake took too long"),
    }
}

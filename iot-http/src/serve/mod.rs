//! Sockets to connections: TCP listeners and the control socket, one router, one bound, one end.
//!
//! - In: connections
//! - Out: requests to the router
//! - Bound: 512 connections over the network and 64 of the control socket, upgraded ones included
//! - When full: the next connections wait in the kernel's backlog
//! - Counter: none; the kernel counts its own (`ListenOverflows`)

mod connection;
mod control;
mod listen;
mod progress;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use iot_core::port::LayerError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::state::App;

pub(crate) use control::Control;
pub(crate) use listen::listen;
pub(crate) use progress::Progress;

/// The most connections over the network at a time.
const CONNECTIONS: usize = 512;
/// The most of the control socket: whoever holds the network's places does not shut the owner out.
const CONTROL: usize = 64;
/// How long connections have to end before they are cut.
const END: Duration = Duration::from_millis(1_700);
/// How long all of the end may take.
const LAST: Duration = Duration::from_millis(1_900);
/// How long to wait when the process has no file descriptors left.
const BREATH: Duration = Duration::from_millis(200);

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Via {
    /// Over the network, from this address.
    Tcp(SocketAddr),
    /// Over the control socket, whose file rights are the check.
    Control,
}

/// Its connection's place among those that are allowed; held by whoever takes the connection over.
pub(crate) type Seat = Arc<OwnedSemaphorePermit>;

/// What was taken of the world.
pub(crate) struct Open {
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) control: Option<Control>,
    pub(crate) router: Router,
}

/// Serves until told to stop, then lets what runs end within 2 s. Dropped before, it leaves nothing
/// running either.
pub(crate) async fn run(app: &App, open: Open, stop: CancellationToken) -> Result<(), LayerError> {
    let Open { listeners, control, router } = open;
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let closing = app.closing.clone();
    // WebSockets are tasks that axum began: however this ends, they hear of it.
    let _ends = closing.clone().drop_guard();
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let serving =
            Serving { router: router.clone(), closing: closing.clone(), seats: seats.clone() };
        accepting.spawn(serving.accept(Door::Tcp(listener)));
    }
    // Its file goes when the layer ends.
    let mut kept = None;
    if let Some(mut control) = control {
        if let Some(listener) = control.listener.take() {
            let seats = Arc::new(Semaphore::new(CONTROL));
            let serving = Serving { router, closing: closing.clone(), seats };
            accepting.spawn(serving.accept(Door::Control(listener)));
        }
        kept = Some(control);
    }
    stop.cancelled().await;
    drop(kept);
    closing.cancel();
    app.sockets.close();
    let end = async {
        while accepting.join_next().await.is_some() {}
        app.sockets.wait().await;
    };
    if tokio::time::timeout(LAST, end).await.is_err() {
        tracing::warn!("connections did not end in time");
    }
    accepting.shutdown().await;
    Ok(())
}

enum Door {
    Tcp(TcpListener),
    Control(UnixListener),
}

struct Serving {
    router: Router,
    closing: CancellationToken,
    seats: Arc<Semaphore>,
}

impl Serving {
    /// Accepts connections and owns their tasks.
    async fn accept(self, door: Door) {
        let mut connections = JoinSet::new();
        loop {
            let seat = tokio::select! {
                () = self.closing.cancelled() => break,
                seat = self.seats.clone().acquire_owned() => seat,
            };
            // The semaphore is never closed.
            let Ok(seat) = seat else { break };
            let seat = Arc::new(seat);
            let accepted = tokio::select! {
                () = self.closing.cancelled() => break,
                accepted = self.next(&door, seat, &mut connections) => accepted,
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
            while connections.try_join_next().is_some() {}
        }
        drop(door);
        let end = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(END, end).await.is_err() {
            tracing::debug!("connections did not end in time, they are cut");
        }
        connections.shutdown().await;
    }

    async fn next(
        &self,
        door: &Door,
        seat: Seat,
        connections: &mut JoinSet<()>,
    ) -> std::io::Result<()> {
        match door {
            Door::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Small messages must leave at once; where that cannot be said they leave later.
                let _at_once = stream.set_nodelay(true);
                self.serve(stream, Via::Tcp(peer), seat, connections);
            }
            Door::Control(listener) => {
                let (stream, _) = listener.accept().await?;
                self.serve(stream, Via::Control, seat, connections);
            }
        }
        Ok(())
    }

    fn serve<S>(&self, stream: S, via: Via, seat: Seat, connections: &mut JoinSet<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let closing = self.closing.clone();
        connections.spawn(connection::serve(stream, via, seat, self.router.clone(), closing));
    }
}

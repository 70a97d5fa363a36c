//! One socket's wire: sending with an end to patience, pings, and who has gone silent.
//!
//! A client that takes nothing off its socket for 30 s is closed with 1013: its kernel's buffer is
//! full and bytes no longer leave, or it answers no ping. Whoever reads slowly but reads is kept.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::SinkExt as _;
use tokio::time::Instant;

use crate::serve::Progress;

/// Who reads nothing for so long is closed.
const UNREAD: Duration = Duration::from_secs(30);
/// A ping after so much silence of ours: proxies cut what is silent.
const QUIET: Duration = Duration::from_secs(2);
/// A ping at least so often, to hear whether anybody reads.
const PING: Duration = Duration::from_secs(10);
/// How long a close frame may take to leave, and the other side to answer it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The other side has gone, or broke the protocol.
    Gone,
    /// Nothing was read for 30 s.
    Unread,
    /// The layer ends.
    Closing,
    /// Nobody signed in within 5 s.
    NoAuth,
    /// The credential opens nothing, or no longer.
    BadAuth,
    /// The client spoke in bytes.
    Binary,
}

impl End {
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Unread => (close_code::AGAIN, "nothing was read for 30 s; connect again"),
            Self::Closing => (close_code::AWAY, "the gateway is stopping"),
            Self::NoAuth => (close_code::POLICY, "nobody signed in within 5 s"),
            Self::BadAuth => (4401, "sign in: the token or session opens nothing"),
            Self::Binary => (close_code::UNSUPPORTED, "messages are JSON text"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

/// One socket's wire.
pub(super) struct Wire {
    socket: WebSocket,
    progress: Progress,
    sent: Instant,
    pinged: Instant,
    heard: Instant,
}

impl Wire {
    pub(super) fn new(socket: WebSocket, progress: Progress) -> Self {
        let now = Instant::now();
        Self { socket, progress, sent: now, pinged: now, heard: now }
    }

    /// Puts messages on the wire and waits until they have left.
    pub(super) async fn send(
        &mut self,
        texts: impl IntoIterator<Item = Utf8Bytes>,
    ) -> Result<(), End> {
        let began = Instant::now();
        for text in texts {
            Self::patiently(&self.progress, began, self.socket.feed(Message::Text(text))).await?;
        }
        Self::patiently(&self.progress, began, self.socket.flush()).await?;
        self.sent = Instant::now();
        if self.sent.duration_since(began) > QUIET {
            // What the other side said meanwhile was not read: it is not silent for that.
            self.heard = self.sent;
        }
        Ok(())
    }

    /// Waits as long as bytes leave.
    async fn patiently<T>(
        progress: &Progress,
        began: Instant,
        work: impl Future<Output = Result<T, axum::Error>>,
    ) -> Result<T, End> {
        let mut work = std::pin::pin!(work);
        loop {
            let until = progress.last().max(began) + UNREAD;
            match tokio::time::timeout_at(until, work.as_mut()).await {
                Ok(done) => return done.map_err(|_| End::Gone),
                Err(_) if progress.last() + UNREAD > Instant::now() => {}
                Err(_) => return Err(End::Unread),
            }
        }
    }

    /// What the client says next. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Result<Utf8Bytes, End> {
        loop {
            let message = self.socket.recv().await;
            self.heard = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(End::Binary),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
            }
        }
    }

    /// When [`Wire::tick`] is due.
    pub(super) fn next_tick(&self) -> Instant {
        (self.sent + QUIET).min(self.pinged + PING)
    }

    /// Pings, or finds that nobody reads.
    pub(super) async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now.duration_since(self.heard) > UNREAD {
            return Err(End::Unread);
        }
        let ping = self.socket.send(Message::Ping(axum::body::Bytes::new()));
        Self::patiently(&self.progress, now, ping).await?;
        (self.sent, self.pinged) = (now, now);
        Ok(())
    }

    /// Says why, waits a moment for the answer, and lets go.
    pub(super) async fn close(mut self, end: End) {
        let Some(frame) = end.frame() else { return };
        let goodbye = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        // Whether it was heard does not matter: the connection ends in any case.
        let _in_time = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

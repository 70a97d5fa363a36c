//! One connection to a broker, in either version of the protocol.
//!
//! The client library keeps what was queued and what was in flight, and replays or forgets it by
//! rules of its own when it connects again. None of that is used: each connection has a client of
//! its own, which is dropped with it, and what was not answered is published again from the link's
//! own window. What a broker keeps for a link (its subscriptions, messages that came while the link
//! was away) outlives the connection where the link takes something in.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use iot_core::task;
use rumqttc_v5::TlsConfiguration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::config::{Address, LinkConfig};
use super::message::{Answer, Answered, Lost, Message, Outlet};
use super::{v4, v5};

/// How long a connection may take, from the first packet to the broker's word.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// Messages on the wire at most. The link's own windows are smaller; this leaves room for what it
/// says of devices.
pub(super) const IN_FLIGHT: u16 = 1_200;
/// The largest payload that is taken in, in bytes.
pub(super) const LARGEST_PAYLOAD: usize = 1 << 20;
/// The largest packet that a broker may send where it can be told: a payload, its topic and what
/// stands beside it.
pub(super) const LARGEST_PACKET: u32 = (1 << 20) + (64 << 10);
/// The largest packet that the protocol knows.
pub(super) const PROTOCOL_MAXIMUM: usize = 268_435_455;
/// The largest packet that is sent to a broker that names no limit: none is known to take less.
const USUAL_LARGEST: usize = 1 << 20;
/// Messages that a broker may have under way to the link.
pub(super) const RECEIVE_MAXIMUM: u16 = 256;
/// How long a broker keeps what came while the link was away, in seconds: a week.
pub(super) const SESSION_EXPIRY: u32 = 7 * 24 * 3600;
/// Messages that were received and not looked at yet. Then the socket is read no further.
const HEARD: usize = 32;
/// Packets that the library reads before it looks after its requests again.
pub(super) const READ_BATCH: usize = 64;
/// Requests that the library writes before it flushes.
pub(super) const WRITE_BATCH: usize = 64;
/// Requests to the library that it has not taken yet, acknowledgements and others each. Whoever
/// acknowledges must never wait here: the library would not be driven while its messages are not
/// taken, and they would not be taken before the acknowledgements are.
pub(super) const REQUESTS: usize = 512;
const _: () = assert!(REQUESTS > READ_BATCH + HEARD + 1 + super::inbound::WINDOW);

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V3,
    V5,
}

/// Everything that a connection needs.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) address: Address,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// After how long a silence both sides show that they are there, in seconds.
    pub(crate) keep_alive_s: u16,
    /// Where the link's last will goes.
    pub(crate) will: String,
    /// Whether the broker is to keep the session.
    pub(crate) keep: bool,
    /// The roots that vouch for the broker, for TLS.
    pub(crate) tls: Option<TlsConfiguration>,
}

impl Dial {
    /// For a link of a gateway.
    ///
    /// # Errors
    /// Why its certificates cannot be used.
    pub(crate) async fn new(
        config: &LinkConfig,
        gateway: &str,
        client_id: String,
    ) -> Result<Self, String> {
        let tls = if config.address.tls { Some(tls(config.ca.as_deref()).await?) } else { None };
        Ok(Self {
            address: config.address.clone(),
            client_id,
            keep_alive_s: config.keep_alive_s,
            username: config.username.clone(),
            password: config.password.as_ref().map(|secret| secret.0.clone()),
            will: format!("{}gateways/{gateway}/status", config.prefix),
            keep: config.commands || !config.ingest.is_empty(),
            tls,
        })
    }

    /// Opens the socket. The library would format host and port into one text first, which an IPv6
    /// address does not survive.
    pub(super) async fn socket(host: String, port: u16) -> std::io::Result<TcpStream> {
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

async fn tls(ca: Option<&Path>) -> Result<TlsConfiguration, String> {
    let Some(path) = ca else {
        return TlsConfiguration::try_default_rustls()
            .map_err(|error| format!("this machine's certificates cannot be used: {error}"));
    };
    let ca = tokio::fs::read(path)
        .await
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(TlsConfiguration::Simple { ca, alpn: None, client_auth: None })
}

/// What sort of end a connection had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndKind {
    /// It broke, or was never there.
    Lost,
    /// The broker does not let the link in.
    Refused,
    /// The broker does not know this version of the protocol.
    Version,
    /// Another client took its id.
    Taken,
}

/// A connection's end, or why there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) kind: EndKind,
    /// In words for a person.
    pub(crate) why: String,
}

impl End {
    pub(crate) fn lost(why: impl Into<String>) -> Self {
        Self { kind: EndKind::Lost, why: why.into() }
    }

    pub(super) fn of(kind: EndKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }
}

/// What a broker said when it let the link in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The largest packet that it takes, in bytes.
    pub(crate) largest: usize,
    /// Whether it keeps messages for those who come later.
    pub(crate) retains: bool,
    /// Whether it was to keep the link's session and has none: it began anew.
    pub(crate) forgot: bool,
}

impl Facts {
    pub(super) fn new(largest: Option<u32>, retains: bool, forgot: bool) -> Self {
        let largest = largest.and_then(|bytes| usize::try_from(bytes).ok());
        Self { largest: largest.unwrap_or(USUAL_LARGEST), retains, forgot }
    }
}

/// A message that came from a broker.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) topic: String,
    /// What it says; its beginning where it is oversized.
    pub(crate) payload: Bytes,
    /// It is larger than is taken in.
    pub(crate) oversized: bool,
    /// It was kept by the broker, and is of an unknown time.
    pub(crate) retained: bool,
    /// It may have come before.
    pub(crate) again: bool,
    /// When it is worth nothing any more.
    pub(crate) expires: Option<Instant>,
    /// Where its sender wants an answer, and what to find it by.
    pub(crate) response: Option<String>,
    pub(crate) correlation: Option<Bytes>,
    /// How to acknowledge it; none for QoS 0.
    pub(crate) ack: Option<Ack>,
}

impl Incoming {
    /// A message without what only MQTT 5 has. Keeps only the beginning of an oversized one.
    pub(super) fn new(topic: &[u8], payload: Bytes, retained: bool, again: bool) -> Self {
        let oversized = payload.len() > LARGEST_PAYLOAD;
        let payload = if oversized { Bytes::copy_from_slice(&payload[..256]) } else { payload };
        Self {
            topic: String::from_utf8_lossy(topic).into_owned(),
            payload,
            oversized,
            retained,
            again,
            expires: None,
            response: None,
            correlation: None,
            ack: None,
        }
    }
}

/// An acknowledgement that is owed.
#[derive(Debug)]
pub(crate) enum Ack {
    V4(rumqttc_v4::ManualAck),
    V5(rumqttc_v5::ManualAck),
}

/// What the library brings next.
pub(super) enum Polled {
    /// A message.
    Message(Box<Incoming>),
    /// Any other sign of life of the broker.
    Sign,
    /// Something that this side did.
    Own,
}

/// The library's loop, in either version.
pub(super) trait Events: Send + 'static {
    /// The next thing. Nothing moves on the connection unless this is awaited.
    fn poll(&mut self) -> impl Future<Output = Result<Polled, End>> + Send;
}

/// A way to one broker, for as long as one connection lasts. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(super) inner: Inner,
    pub(super) facts: Facts,
}

#[derive(Debug, Clone)]
pub(super) enum Inner {
    V4(rumqttc_v4::AsyncClient),
    V5(rumqttc_v5::AsyncClient),
}

impl Client {
    /// What the broker said at the beginning.
    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    /// Subscribes, and waits for the broker's word.
    ///
    /// # Errors
    /// Why the broker does not allow it; none where the connection ended.
    pub(crate) async fn subscribe(
        &self,
        filter: &str,
        as_published: bool,
    ) -> Result<(), Option<String>> {
        match &self.inner {
            Inner::V4(client) => v4::subscribe(client, filter).await,
            Inner::V5(client) => v5::subscribe(client, filter, as_published).await,
        }
    }

    /// Acknowledges a message. On a connection that ended it is not needed any more.
    pub(crate) async fn acknowledge(&self, ack: Ack) {
        match (&self.inner, ack) {
            (Inner::V4(client), Ack::V4(ack)) => drop(client.manual_ack(ack).await),
            (Inner::V5(client), Ack::V5(ack)) => drop(client.manual_ack(ack).await),
            _ => tracing::error!("an acknowledgement of another version of the protocol"),
        }
    }

    async fn disconnect(&self, within: Duration) {
        match &self.inner {
            Inner::V4(client) => drop(client.disconnect_with_timeout(within).await),
            Inner::V5(client) => drop(client.disconnect_with_timeout(within).await),
        }
    }
}

impl Outlet for Client {
    fn largest(&self) -> usize {
        self.facts.largest
    }

    async fn publish(&self, message: &Message) -> Result<Answered, Lost> {
        match &self.inner {
            Inner::V4(client) => v4::publish(client, message).await,
            Inner::V5(client) => v5::publish(client, message).await,
        }
    }
}

/// A connection that the broker accepted.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Messages, as they come.
    pub(crate) heard: mpsc::Receiver<Incoming>,
    pub(crate) pump: Pump,
}

impl Session {
    /// Connects, and drives the connection in a task of its own.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn open(dial: &Dial, version: Version) -> Result<Self, End> {
        match version {
            Version::V3 => v4::open(dial).await,
            Version::V5 => v5::open(dial).await,
        }
    }

    pub(super) fn start(client: Client, events: impl Events, dial: &Dial) -> Self {
        let (to, heard) = mpsc::channel(HEARD);
        let silence = Duration::from_secs(u64::from(dial.keep_alive_s)).mul_f64(1.5);
        let pump = Pump(AbortOnDropHandle::new(task::spawn(pump(events, silence, to))));
        Self { client, heard, pump }
    }
}

/// The task that drives a connection. Dropped, it takes the connection down.
#[derive(Debug)]
pub(crate) struct Pump(AbortOnDropHandle<End>);

impl Pump {
    /// Waits for the connection's end. Cancel-safe; having answered, it must not be asked again.
    pub(crate) async fn ended(&mut self) -> End {
        match (&mut self.0).await {
            Ok(end) => end,
            Err(error) => End::lost(format!("the connection's task ended badly: {error}")),
        }
    }

    /// The connection's own end, which is about to come where a message was lost; else ours.
    pub(crate) async fn end(mut self, otherwise: End) -> End {
        tokio::time::timeout(Duration::from_millis(100), self.ended()).await.unwrap_or(otherwise)
    }

    /// Says a last word, and goodbye, so that the broker does not publish the will.
    pub(crate) async fn close(
        mut self,
        client: &Client,
        heard: mpsc::Receiver<Incoming>,
        last: &Message,
    ) {
        drop(heard);
        let goodbye = async {
            if let Ok(answered) = client.publish(last).await
                && answered.await == Answer::Acknowledged
            {
                client.disconnect(Duration::from_millis(300)).await;
                self.ended().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(1), goodbye).await.is_err() {
            tracing::debug!("the broker did not answer the goodbye; the will tells the rest");
        }
    }
}

/// Drives a connection until it ends. A broker that says nothing for half as long again as both
/// sides agreed on is gone, whatever the socket says: the library alone would notice only after
/// twice that, and not at all while a write is stuck.
async fn pump(mut events: impl Events, silence: Duration, to: mpsc::Sender<Incoming>) -> End {
    let mut last = Instant::now();
    loop {
        match tokio::time::timeout_at(last + silence, events.poll()).await {
            Err(_) => return End::lost(format!("the broker was silent for {silence:?}")),
            Ok(Err(end)) => return end,
            Ok(Ok(Polled::Own)) => {}
            Ok(Ok(Polled::Sign)) => last = Instant::now(),
            Ok(Ok(Polled::Message(message))) => {
                // Nobody listens any more only when the session is being closed.
                let _ = to.send(*message).await;
                last = Instant::now();
            }
        }
    }
}

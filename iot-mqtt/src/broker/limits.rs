//! How much the broker bears, and what it counts when something had to go.

use std::time::Duration;

/// The broker's bounds. Each has a counter in [`Dropped`] or an answer of the protocol for what
/// goes beyond it.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) clients: usize,
    /// Sessions, connected or not. Where one more begins, the one that has been away longest ends.
    pub(crate) sessions: usize,
    /// Subscriptions of one session.
    pub(crate) subscriptions_per_client: usize,
    /// Subscriptions of all.
    pub(crate) subscriptions: usize,
    /// What the filters of all subscriptions may occupy, in bytes, as they are estimated.
    pub(crate) subscription_bytes: usize,
    /// Retained messages that clients may leave; the gateway's own are not counted.
    pub(crate) retained: usize,
    /// What they may occupy, in bytes.
    pub(crate) retained_bytes: usize,
    /// Messages waiting for one client or sent and not acknowledged by it.
    pub(crate) queue: usize,
    /// What these may occupy, in bytes.
    pub(crate) queue_bytes: usize,
    /// What all queues together may occupy, in bytes.
    pub(crate) queued_bytes: usize,
    /// What the wills of all sessions may occupy, in bytes.
    pub(crate) will_bytes: usize,
    /// Publishes of one client with QoS 1 or 2 that it may send without an answer. A client of
    /// MQTT 3 cannot be told: who reads its socket waits while as many are not acknowledged.
    pub(crate) receive_maximum: u16,
    /// Messages with QoS 1 or 2 on their way to a client of MQTT 3, which cannot say how many.
    pub(crate) inflight_v3: u16,
    /// The most of these to a client of MQTT 5, whatever more it allows.
    pub(crate) inflight_v5: u16,
    /// Publishes of QoS 2 of all clients that these have not released.
    pub(crate) unreleased: usize,
    /// Topic aliases that a client may set.
    pub(crate) topic_aliases: u16,
    /// The largest payload, in bytes.
    pub(crate) payload: u32,
    /// The largest CONNECT, in bytes: who sends it is not known yet.
    pub(crate) connect: u32,
    /// The longest client id, in bytes.
    pub(crate) client_id: usize,
    /// How long the session of a client of MQTT 3 that asked for one stays when it is away.
    pub(crate) session_v3: Duration,
    /// The longest that a client of MQTT 5 may ask for.
    pub(crate) session_v5: Duration,
}

impl Limits {
    /// The largest packet, in bytes, with its header.
    #[must_use]
    pub(crate) fn packet(&self) -> u32 {
        self.payload.saturating_add(HEADERS)
    }
}

/// What a PUBLISH may have beside its payload: topic, properties, fixed header.
const HEADERS: u32 = 16 * 1_024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 1_000,
            sessions: 10_000,
            subscriptions_per_client: 200,
            subscriptions: 50_000,
            subscription_bytes: 16 << 20,
            retained: 10_000,
            retained_bytes: 16 << 20,
            queue: 1_000,
            queue_bytes: 4 << 20,
            queued_bytes: 64 << 20,
            will_bytes: 4 << 20,
            receive_maximum: 4_096,
            inflight_v3: 100,
            inflight_v5: 1_000,
            unreleased: 65_536,
            topic_aliases: 16,
            payload: 1 << 20,
            connect: 80 * 1_024,
            client_id: 256,
            session_v3: Duration::from_secs(24 * 3_600),
            session_v5: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}

/// Messages and sessions that the broker let go, by reason, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// The client's queue was full: it reads too slowly, or is away for too long.
    pub(crate) queue_full: u64,
    /// All queues together were.
    pub(crate) memory_full: u64,
    /// The message's lifetime ended before it could be sent.
    pub(crate) expired: u64,
    /// The message is larger than its receiver takes.
    pub(crate) too_large: u64,
    /// A message was not retained: there are too many.
    pub(crate) retained_full: u64,
    /// A session that was away made room for a new one; its messages went with it.
    pub(crate) session_evicted: u64,
    /// Messages lost with a session that ended: it expired, was evicted or begun anew.
    pub(crate) session_ended: u64,
    /// A client of the same id but another owner ended a session.
    pub(crate) owner_changed: u64,
}

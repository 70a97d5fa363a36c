//! The embedded broker, as the API and the metrics show it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// Where the broker stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BrokerState {
    /// No broker is wanted.
    Off,
    /// It takes connections.
    Listening {
        /// On these addresses, of all its listeners.
        addresses: Vec<SocketAddr>,
    },
    /// It was wanted and cannot be had, as when its port is taken.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The broker and its figures. What is counted is counted since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerView {
    /// Where it stands.
    #[serde(flatten)]
    pub state: BrokerState,
    /// Clients that are connected.
    pub connections: u64,
    /// Sessions, those of clients that are away included.
    pub sessions: u64,
    /// Topic filters that sessions subscribe to.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Bytes that these take.
    pub retained_bytes: u64,
    /// Messages that wait for a client.
    pub queued: u64,
    /// Bytes that these take.
    pub queued_bytes: u64,
    /// Messages that clients published.
    pub published_in: u64,
    /// Messages that were sent to clients.
    pub published_out: u64,
    /// Messages that a client did not get, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
}

impl BrokerView {
    /// A broker that has done nothing yet.
    #[must_use]
    pub fn new(state: BrokerState) -> Self {
        Self {
            state,
            connections: 0,
            sessions: 0,
            subscriptions: 0,
            retained: 0,
            retained_bytes: 0,
            queued: 0,
            queued_bytes: 0,
            published_in: 0,
            published_out: 0,
            dropped: BTreeMap::new(),
        }
    }
}

/// The figures of an embedded broker.
pub trait BrokerFigures: Send + Sync {
    /// All of them, at one instant as far as that is cheap.
    fn broker(&self) -> BrokerView;
}

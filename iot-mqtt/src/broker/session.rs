//! The session of a client id: what outlives its connections.

use std::collections::{HashMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::{PublishAck, PublishAckReason};
use tokio::time::Instant;

use super::codec::Version;
use super::message::Will;
use super::outgoing::Outgoing;
use super::subscriptions::Target;

/// A connection, numbered by whoever accepts them; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A session's place in the broker's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(super) u32);

impl SessionId {
    /// The session at a place, for a table of subscriptions without sessions.
    pub(crate) fn numbered(place: u32) -> Self {
        Self(place)
    }
}

/// That a publish was received, and is to be acknowledged when it is safe. It stays good when the
/// client's connection breaks meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(super) session: SessionId,
    /// Which session at that place.
    pub(super) epoch: u64,
    pub(super) connection: ConnectionId,
    pub(crate) packet_id: NonZeroU16,
    pub(crate) qos: QoS,
}

/// A publish of QoS 2 that the client has not released.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Its PUBREC may be sent: whoever took it has it safe.
    pub(super) safe: bool,
    /// On which connection the client last sent it.
    pub(super) connection: ConnectionId,
}

/// A will, with when it is to be published and how long it is good from then.
#[derive(Debug)]
pub(super) struct Testament {
    pub(super) will: Will,
    pub(super) delay: Duration,
    pub(super) lifetime: Option<NonZeroU32>,
}

/// What lasts as long as a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// How many messages of QoS 1 and 2 may be unanswered by the client.
    pub(super) window: usize,
    pub(super) aliases: HashMap<NonZeroU16, ByteString>,
    /// Publishes of QoS 1 and 2 of the client that are not done with.
    pub(super) unacknowledged: usize,
    pub(super) will: Option<Testament>,
    /// It was told that there is something for it, and has not come for it yet.
    pub(super) woken: bool,
}

/// A client id's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: ByteString,
    pub(super) owner: Arc<str>,
    pub(super) epoch: u64,
    pub(super) version: Version,
    /// How long it stays without a connection.
    pub(super) expiry: Duration,
    /// By their text as the client gave it.
    pub(super) subscriptions: HashMap<Box<str>, Target>,
    pub(super) incoming: HashMap<NonZeroU16, Incoming>,
    /// PUBRECs for another connection than the publish came by.
    pub(super) late: VecDeque<PublishAck>,
    pub(super) out: Outgoing,
    pub(super) connection: Option<Connection>,
    /// Left by a broken connection, to be published at this time.
    pub(super) will: Option<(Instant, Testament)>,
    /// Since when it has had no connection.
    pub(super) away: Option<Instant>,
    /// When it is to be looked at.
    pub(super) due: Option<Instant>,
}

impl Session {
    pub(super) fn online(&self) -> bool {
        self.connection.is_some()
    }

    /// When it ends, if its client does not come back.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.away?.checked_add(self.expiry)
    }

    /// When something is to be done about it.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let will = self.will.as_ref().map(|(at, _)| *at);
        [self.ends(), will].into_iter().flatten().min()
    }

    /// Forgets that a publish of the client was unanswered.
    pub(super) fn settle(&mut self, connection: ConnectionId) -> bool {
        match &mut self.connection {
            Some(own) if own.id == connection => {
                own.unacknowledged = own.unacknowledged.saturating_sub(1);
                true
            }
            _ => false,
        }
    }
}

/// A PUBACK or PUBREC.
pub(super) fn answer(packet_id: NonZeroU16, reason_code: PublishAckReason) -> PublishAck {
    PublishAck { packet_id, reason_code, properties: Vec::new(), reason_string: None }
}

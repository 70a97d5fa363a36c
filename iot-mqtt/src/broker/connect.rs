//! Who comes in: a CONNECT begins a session, goes on with one, or takes one over.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use rmqtt_codec::v5::{Connect, ConnectAck, ConnectAckReason, Packet};
use tokio::time::Instant;

use super::codec::Version;
use super::message::{Will, own_text};
use super::session::{Connection, ConnectionId, Session, Testament};
use super::state::State;
use super::violation::refusal;
use crate::topic;

/// A client that takes no packet as large as this could not even be told that it was let in.
const LEAST_PACKET: u32 = 64;

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// To be sent at once.
    pub(crate) connack: Packet,
    /// The client's id, which may have been made for it.
    pub(crate) client: ByteString,
    /// Within how many seconds and a half as many the client must be heard of; 0 is never.
    pub(crate) keep_alive: u16,
    /// A connection of the same client, which is to be told `SessionTakenOver` and closed. The
    /// state has forgotten it.
    pub(crate) taken_over: Option<ConnectionId>,
    /// Wills that this let loose, to be treated like any publish.
    pub(crate) wills: Vec<Will>,
}

impl State {
    /// Takes a CONNECT whose sender was let in as `owner`. A client may go on only with a session
    /// of its own owner: another's is ended where its client is away, and holds the id where not.
    ///
    /// # Errors
    /// The CONNACK that refuses; the connection closes after it.
    pub(crate) fn connect(
        &mut self,
        id: ConnectionId,
        version: Version,
        connect: &Connect,
        owner: &Arc<str>,
        now: Instant,
    ) -> Result<Accepted, Box<ConnectAck>> {
        self.admissible(connect).map_err(refusal)?;
        let assigned = connect.client_id.is_empty();
        let client = if assigned { self.new_client() } else { own_text(&connect.client_id) };
        let found = self.clients.get(&client).copied();
        let old = found.and_then(|at| self.session(at));
        let online = old.is_some_and(Session::online);
        let same_owner = old.is_none_or(|old| old.owner == *owner);
        // A session that does not outlive its connection ends when this is taken over.
        let ends = online && old.is_some_and(|old| old.expiry.is_zero());
        if online && !same_owner {
            return Err(refusal(ConnectAckReason::NotAuthorized));
        }
        let no_room =
            old.is_none() && self.clients.len() >= self.limits.sessions && self.away.is_empty();
        if no_room || (!online && self.connections.len() >= self.limits.clients) {
            return Err(refusal(ConnectAckReason::ServerBusy));
        }
        let will = testament(connect, owner);
        let will_cost = will.as_ref().map_or(0, |t| t.will.message.cost());
        if self.will_bytes + will_cost > self.limits.will_bytes {
            return Err(refusal(ConnectAckReason::QuotaExceeded));
        }

        let mut wills = Vec::new();
        let anew = connect.clean_start || !same_owner || ends;
        let taken_over = found.and_then(|at| self.detach(at, anew, now, &mut wills));
        if let Some(at) = found.filter(|_| anew) {
            self.dropped.owner_changed += u64::from(!same_owner);
            self.end(at, now, &mut wills);
        }
        let resumed = found.is_some() && !anew;
        let at = match found.filter(|_| resumed) {
            Some(at) => at,
            None => self.begin(&client, owner, now, &mut wills),
        };
        let (expiry, told) = self.expiry(version, connect.session_expiry_interval_secs);
        let window = self.window(version, connect);
        self.will_bytes += will_cost;
        self.connections.insert(id, at);
        if let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) {
            session.version = version;
            session.expiry = expiry;
            session.out.resume();
            session.late.clear();
            session.connection = Some(Connection {
                id,
                window,
                aliases: HashMap::new(),
                unacknowledged: 0,
                will,
                woken: false,
            });
        }
        self.wake(at);
        let connack = ConnectAck {
            session_present: resumed,
            session_expiry_interval_secs: told,
            receive_max: NonZeroU16::new(self.limits.receive_maximum).unwrap_or(NonZeroU16::MIN),
            max_packet_size: Some(self.limits.packet()),
            assigned_client_id: assigned.then(|| client.clone()),
            topic_alias_max: self.limits.topic_aliases,
            ..ConnectAck::default()
        };
        Ok(Accepted {
            connack: Packet::ConnectAck(Box::new(connack)),
            client,
            keep_alive: connect.keep_alive,
            taken_over,
            wills,
        })
    }

    fn admissible(&self, connect: &Connect) -> Result<(), ConnectAckReason> {
        if connect.auth_method.is_some() {
            return Err(ConnectAckReason::BadAuthenticationMethod);
        }
        if connect.client_id.len() > self.limits.client_id {
            return Err(ConnectAckReason::ClientIdentifierNotValid);
        }
        if connect.max_packet_size.is_some_and(|most| most.get() < LEAST_PACKET) {
            return Err(ConnectAckReason::PacketTooLarge);
        }
        let Some(will) = &connect.last_will else { return Ok(()) };
        if topic::check_name(&will.topic).is_err() || will.topic.starts_with('$') {
            return Err(ConnectAckReason::TopicNameInvalid);
        }
        if will.response_topic.as_ref().is_some_and(|t| topic::check_name(t).is_err()) {
            return Err(ConnectAckReason::ProtocolError);
        }
        Ok(())
    }

    /// An id for a client that has none.
    fn new_client(&self) -> ByteString {
        loop {
            let id = format!("auto-{:016x}", fastrand::u64(..));
            if !self.clients.contains_key(id.as_str()) {
                return id.into();
            }
        }
    }

    /// How long a session stays, and what the client is told where that is not what it asked for.
    pub(super) fn expiry(&self, version: Version, asked: u32) -> (Duration, Option<u32>) {
        let most = match version {
            Version::V3 => self.limits.session_v3,
            Version::V5 => self.limits.session_v5,
        };
        let asked = Duration::from_secs(u64::from(asked));
        if asked <= most {
            return (asked, None);
        }
        (most, u32::try_from(most.as_secs()).ok())
    }

    fn window(&self, version: Version, connect: &Connect) -> usize {
        let most = match version {
            Version::V3 => self.limits.inflight_v3,
            Version::V5 => self.limits.inflight_v5,
        };
        usize::from(connect.receive_max.map_or(most, |asked| most.min(asked.get())).max(1))
    }
}

fn testament(connect: &Connect, owner: &Arc<str>) -> Option<Testament> {
    let will = connect.last_will.as_ref()?;
    Some(Testament {
        will: Will::of(Arc::clone(owner), will),
        delay: Duration::from_secs(u64::from(will.will_delay_interval_sec.unwrap_or(0))),
        lifetime: will.message_expiry_interval,
    })
}

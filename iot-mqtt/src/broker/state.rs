//! The broker's state: sessions and who is connected to them, without a socket, a task or a clock.
//!
//! Whoever owns the sockets hands in packets and the time, and gets packets back. What it does with
//! a publish lies between two steps: [`State::inbound`] checks it, [`State::route`] delivers it,
//! and [`State::acknowledge`] answers it when that is safe.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use rmqtt_codec::v5::{Connect, ConnectAck, ConnectAckReason, Packet};
use tokio::time::Instant;

use super::codec::Version;
use super::limits::{Dropped, Limits};
use super::message::{Will, expires, own_text};
use super::outgoing::Outgoing;
use super::retained::Retained;
use super::session::{Connection, ConnectionId, Session, SessionId, Testament};
use super::subscriptions::{Hit, Subscriptions};
use super::violation::refusal;
use crate::topic;

/// The broker's state.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) limits: Limits,
    pub(super) sessions: Vec<Option<Box<Session>>>,
    free: Vec<SessionId>,
    clients: HashMap<ByteString, SessionId>,
    pub(super) connections: HashMap<ConnectionId, SessionId>,
    pub(super) subscriptions: Subscriptions,
    pub(super) retained: Retained,
    /// Sessions without a connection, the longest away first.
    away: BTreeSet<(Instant, SessionId)>,
    /// Those of these that are to be looked at, and when.
    due: BTreeSet<(Instant, SessionId)>,
    pub(super) ready: Vec<ConnectionId>,
    /// Kept between publishes for its room.
    pub(super) hits: Vec<Hit>,
    pub(super) queued: usize,
    pub(super) queued_bytes: usize,
    will_bytes: usize,
    epoch: u64,
    pub(super) dropped: Dropped,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// To be sent at once.
    pub(crate) connack: Packet,
    /// The client's id, which may have been made for it.
    pub(crate) client: ByteString,
    /// Whether it goes on with an earlier session.
    pub(crate) resumed: bool,
    /// Within how many seconds and a half as many the client must be heard of; 0 is never.
    pub(crate) keep_alive: u16,
    /// A connection of the same client, which is to be told `SessionTakenOver` and closed. The
    /// state has forgotten it.
    pub(crate) taken_over: Option<ConnectionId>,
    /// Wills that this let loose, to be treated like any publish.
    pub(crate) wills: Vec<Will>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The client said goodbye: its will is void.
    Clean,
    /// In any other way, be it that the client asked for its will.
    Abnormal,
}

/// What the passing of time brought.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    /// Wills whose delay is over, to be treated like any publish.
    pub(crate) wills: Vec<Will>,
    /// When there will be something next.
    pub(crate) next: Option<Instant>,
}

/// What the broker holds, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    pub(crate) sessions: usize,
    pub(crate) subscriptions: usize,
    pub(crate) retained: usize,
    pub(crate) retained_bytes: usize,
    /// Messages waiting for clients or unanswered by them, and what they occupy.
    pub(crate) queued: usize,
    pub(crate) queued_bytes: usize,
}

impl State {
    /// A broker without clients.
    #[must_use]
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: Vec::new(),
            free: Vec::new(),
            clients: HashMap::new(),
            connections: HashMap::new(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            away: BTreeSet::new(),
            due: BTreeSet::new(),
            ready: Vec::new(),
            hits: Vec::new(),
            queued: 0,
            queued_bytes: 0,
            will_bytes: 0,
            epoch: 0,
            dropped: Dropped::default(),
        }
    }

    /// The bounds that it keeps.
    #[must_use]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it holds.
    #[must_use]
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.len(),
            sessions: self.clients.len(),
            subscriptions: self.subscriptions.len(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            queued: self.queued,
            queued_bytes: self.queued_bytes,
        }
    }

    /// What it let go.
    #[must_use]
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped
    }

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
    ) -> Result<Accepted, Packet> {
        self.check(connect).map_err(refusal)?;
        let assigned = connect.client_id.is_empty();
        let client = if assigned { self.new_client() } else { own_text(&connect.client_id) };
        let found = self.clients.get(&client).copied();
        let old = found.and_then(|at| self.session(at));
        let online = old.is_some_and(Session::online);
        let same_owner = old.is_none_or(|old| old.owner == *owner);
        if online && !same_owner {
            return Err(refusal(ConnectAckReason::NotAuthorized));
        }
        if !online && self.connections.len() >= self.limits.clients {
            return Err(refusal(ConnectAckReason::ServerBusy));
        }
        let will = self.testament(connect, &client, owner);
        let will_cost = will.as_ref().map_or(0, |t| t.will.message.cost());
        if self.will_bytes + will_cost > self.limits.will_bytes {
            return Err(refusal(ConnectAckReason::QuotaExceeded));
        }

        let mut wills = Vec::new();
        let anew = connect.clean_start || !same_owner;
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
            receive_max: std::num::NonZeroU16::new(self.limits.receive_maximum)
                .unwrap_or(std::num::NonZeroU16::MIN),
            max_packet_size: Some(self.limits.packet()),
            assigned_client_id: assigned.then(|| client.clone()),
            topic_alias_max: self.limits.topic_aliases,
            ..ConnectAck::default()
        };
        Ok(Accepted {
            connack: Packet::ConnectAck(Box::new(connack)),
            client,
            resumed,
            keep_alive: connect.keep_alive,
            taken_over,
            wills,
        })
    }

    fn check(&self, connect: &Connect) -> Result<(), ConnectAckReason> {
        if connect.auth_method.is_some() {
            return Err(ConnectAckReason::BadAuthenticationMethod);
        }
        if connect.client_id.len() > self.limits.client_id {
            return Err(ConnectAckReason::ClientIdentifierNotValid);
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
            let id = format!("auto-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            if !self.clients.contains_key(id.as_str()) {
                return id.into();
            }
        }
    }

    fn testament(
        &self,
        connect: &Connect,
        client: &ByteString,
        owner: &Arc<str>,
    ) -> Option<Testament> {
        let will = connect.last_will.as_ref()?;
        Some(Testament {
            will: Will::of(client.clone(), Arc::clone(owner), will),
            delay: Duration::from_secs(u64::from(will.will_delay_interval_sec.unwrap_or(0))),
            lifetime: will.message_expiry_interval,
        })
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

    pub(super) fn session(&self, at: SessionId) -> Option<&Session> {
        self.sessions.get(at.0 as usize)?.as_deref()
    }

    /// A new session, for which another makes room where there are too many.
    fn begin(
        &mut self,
        client: &ByteString,
        owner: &Arc<str>,
        now: Instant,
        wills: &mut Vec<Will>,
    ) -> SessionId {
        if self.clients.len() >= self.limits.sessions
            && let Some((_, longest)) = self.away.first().copied()
        {
            self.dropped.session_evicted += 1;
            self.end(longest, now, wills);
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            // There are never as many: sessions are bounded far below.
            SessionId(u32::try_from(self.sessions.len() - 1).unwrap_or(u32::MAX))
        });
        self.epoch += 1;
        let session = Session {
            client: client.clone(),
            owner: Arc::clone(owner),
            epoch: self.epoch,
            version: Version::V5,
            expiry: Duration::ZERO,
            subscriptions: HashMap::new(),
            incoming: HashMap::new(),
            late: std::collections::VecDeque::new(),
            out: Outgoing::default(),
            connection: None,
            will: None,
            away: None,
            due: None,
        };
        if let Some(place) = self.sessions.get_mut(at.0 as usize) {
            *place = Some(Box::new(session));
        }
        self.clients.insert(client.clone(), at);
        at
    }

    /// Takes a session's connection and what waits for its coming back away from it. A will that
    /// was to wait is void, unless the session ends now.
    fn detach(
        &mut self,
        at: SessionId,
        ends: bool,
        now: Instant,
        wills: &mut Vec<Will>,
    ) -> Option<ConnectionId> {
        self.untime(at);
        let session = self.sessions.get_mut(at.0 as usize)?.as_mut()?;
        session.away = None;
        if let Some((_, left)) = session.will.take() {
            self.will_bytes -= left.will.message.cost();
            if ends {
                wills.push(publishable(left, now));
            }
        }
        let old = session.connection.take()?;
        self.connections.remove(&old.id);
        if let Some(left) = old.will {
            self.will_bytes -= left.will.message.cost();
            if ends || left.delay.is_zero() {
                wills.push(publishable(left, now));
            }
        }
        Some(old.id)
    }

    fn untime(&mut self, at: SessionId) {
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        if let Some(since) = session.away {
            self.away.remove(&(since, at));
        }
        if let Some(due) = session.due.take() {
            self.due.remove(&(due, at));
        }
    }

    fn time(&mut self, at: SessionId) {
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        if let Some(since) = session.away {
            self.away.insert((since, at));
        }
        session.due = session.next_due();
        if let Some(due) = session.due {
            self.due.insert((due, at));
        }
    }

    /// Ends a session that has no connection, with all that it holds.
    fn end(&mut self, at: SessionId, now: Instant, wills: &mut Vec<Will>) {
        self.untime(at);
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::take) else {
            return;
        };
        for target in session.subscriptions.values() {
            self.subscriptions.remove(at, target);
        }
        if let Some((_, left)) = session.will {
            self.will_bytes -= left.will.message.cost();
            wills.push(publishable(left, now));
        }
        self.queued -= session.out.len();
        self.queued_bytes -= session.out.bytes();
        self.dropped.session_ended += session.out.len() as u64;
        self.clients.remove(&session.client);
        self.free.push(at);
    }

    /// A connection ended. One that was taken over is forgotten already.
    pub(crate) fn closed(&mut self, id: ConnectionId, how: Closed, now: Instant) -> Vec<Will> {
        let mut wills = Vec::new();
        let Some(at) = self.connections.remove(&id) else { return wills };
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return wills;
        };
        session.away = Some(now);
        let left = session.connection.take().and_then(|connection| connection.will);
        if let Some(left) = left {
            let delay = left.delay.min(session.expiry);
            if how == Closed::Abnormal && !delay.is_zero() {
                session.will = now.checked_add(delay).map(|at| (at, left));
            } else {
                self.will_bytes -= left.will.message.cost();
                if how == Closed::Abnormal {
                    wills.push(publishable(left, now));
                }
            }
        }
        if session.expiry.is_zero() {
            self.end(at, now, &mut wills);
        } else {
            self.time(at);
        }
        wills
    }

    /// Time passed: sessions end, wills become due, retained messages expire.
    pub(crate) fn tick(&mut self, now: Instant) -> Ticked {
        let mut wills = Vec::new();
        while let Some((at, session)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, session));
            let Some(found) = self.sessions.get_mut(session.0 as usize).and_then(Option::as_mut)
            else {
                continue;
            };
            found.due = None;
            if let Some((_, left)) = found.will.take_if(|(at, _)| *at <= now) {
                self.will_bytes -= left.will.message.cost();
                wills.push(publishable(left, now));
            }
            if found.ends().is_some_and(|ends| ends <= now) {
                self.end(session, now, &mut wills);
            } else {
                self.time(session);
            }
        }
        let (expired, retained) = self.retained.expire(now);
        self.dropped.expired += expired;
        let session = self.due.first().map(|(at, _)| *at);
        Ticked { wills, next: [session, retained].into_iter().flatten().min() }
    }
}

/// A will as it is published: its lifetime begins.
fn publishable(left: Testament, now: Instant) -> Will {
    let mut will = left.will;
    will.message.expires = expires(left.lifetime, now);
    will
}

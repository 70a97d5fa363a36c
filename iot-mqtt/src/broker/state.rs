//! The broker's state: sessions and who is connected to them, without a socket, a task or a clock.
//!
//! Whoever owns the sockets hands in packets and the time, and gets packets back. What it does with
//! a publish lies between two steps: [`State::inbound`] checks it, [`State::route`] delivers it,
//! and [`State::acknowledge`] answers it when that is safe.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::Instant;

use super::codec::Version;
use super::limits::{Dropped, Limits};
use super::message::{Will, expires};
use super::outgoing::Outgoing;
use super::retained::Retained;
use super::session::{ConnectionId, Session, SessionId, Testament};
use super::subscriptions::{Hit, Subscriptions};

/// The broker's state.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) limits: Limits,
    pub(super) sessions: Vec<Option<Box<Session>>>,
    free: Vec<SessionId>,
    pub(super) clients: HashMap<ByteString, SessionId>,
    pub(super) connections: HashMap<ConnectionId, SessionId>,
    pub(super) subscriptions: Subscriptions,
    pub(super) retained: Retained,
    /// Sessions without a connection, the longest away first.
    pub(super) away: BTreeSet<(Instant, SessionId)>,
    /// Those of these that are to be looked at, and when.
    due: BTreeSet<(Instant, SessionId)>,
    pub(super) ready: Vec<ConnectionId>,
    /// Kept between publishes for its room.
    pub(super) hits: Vec<Hit>,
    pub(super) queued: usize,
    pub(super) queued_bytes: usize,
    pub(super) will_bytes: usize,
    /// Publishes of QoS 2 that clients have not released.
    pub(super) unreleased: usize,
    epoch: u64,
    pub(super) dropped: Dropped,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The client said goodbye: its will is void.
    Clean,
    /// In any other way, be it that the client asked for its will.
    Abnormal,
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
    /// Publishes of QoS 2 that clients have not released.
    pub(crate) unreleased: usize,
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
            unreleased: 0,
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
            unreleased: self.unreleased,
        }
    }

    /// What it let go.
    #[must_use]
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped
    }

    pub(super) fn session(&self, at: SessionId) -> Option<&Session> {
        self.sessions.get(at.0 as usize)?.as_deref()
    }

    /// A new session, for which another makes room where there are too many.
    pub(super) fn begin(
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
    pub(super) fn detach(
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
    pub(super) fn end(&mut self, at: SessionId, now: Instant, wills: &mut Vec<Will>) {
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
        self.unreleased -= session.incoming.len();
        self.queued -= session.out.len();
        self.queued_bytes -= session.out.bytes();
        self.dropped.session_ended += session.out.len() as u64;
        self.clients.remove(&session.client);
        self.free.push(at);
    }

    /// Checks that its tables agree.
    ///
    /// # Panics
    /// They do not.
    pub(crate) fn check(&self) {
        let sessions = || self.sessions.iter().flatten();
        let sum = |of: fn(&Session) -> usize| sessions().map(|s| of(s)).sum::<usize>();
        assert_eq!(sessions().count(), self.clients.len(), "sessions");
        assert_eq!(sum(|s| s.out.len()), self.queued, "queued messages");
        assert_eq!(sum(|s| s.out.bytes()), self.queued_bytes, "queued bytes");
        assert_eq!(sum(|s| s.subscriptions.len()), self.subscriptions.len(), "subscriptions");
        assert_eq!(sum(|s| s.incoming.len()), self.unreleased, "unreleased publishes");
        let online = sessions().filter(|s| s.online()).count();
        assert_eq!(online, self.connections.len(), "connections");
        assert_eq!(online + self.away.len(), self.clients.len(), "sessions away");
        assert_eq!(sessions().filter(|s| s.due.is_some()).count(), self.due.len(), "timers");
        let wills = sum(|s| {
            let held = s.connection.as_ref().and_then(|c| c.will.as_ref());
            let left = s.will.as_ref().map(|(_, left)| left);
            held.into_iter().chain(left).map(|t| t.will.message.cost()).sum()
        });
        assert_eq!(wills, self.will_bytes, "bytes of wills");
        for session in sessions() {
            session.out.check(&self.limits);
            if let Some(connection) = &session.connection {
                let waiting = session.out.sendable(connection.window, &self.limits);
                assert!(connection.woken || !waiting, "a connection was not told of its messages");
            }
        }
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

    /// Time passed: sessions end, retained messages expire, and wills become due, which are given
    /// back to be treated like any publish.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Will> {
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
        self.dropped.expired += self.retained.expire(now);
        wills
    }
}

/// A will as it is published: its lifetime begins.
fn publishable(left: Testament, now: Instant) -> Will {
    let mut will = left.will;
    will.message.expires = expires(left.lifetime, now);
    will
}

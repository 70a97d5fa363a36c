//! What clients get: subscriptions, routing into their queues, and reading these out.

use std::sync::Arc;

use bytes::BytesMut;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{
    Packet, PublishAck2Reason, RetainHandling, Subscribe, SubscribeAck, SubscribeAckReason,
    SubscriptionOptions,
};
use tokio::time::Instant;

use super::codec::Codec;
use super::message::{Delivery, Message};
use super::outgoing::Pull;
use super::retained::Stored;
use super::session::{ConnectionId, Session, SessionId};
use super::state::State;
use super::subscriptions::{Hit, Options, Target};
use super::translate::second;
use super::violation::Violation;
use crate::topic::Filter;

/// What became of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Routed {
    /// How many sessions it was queued for.
    pub(crate) sessions: usize,
    /// What became of it as a retained one.
    pub(crate) stored: Option<Stored>,
}

/// Topics of retained messages that one call looks at.
const LOOKED_AT: usize = 2_000;

impl State {
    /// Whether there is any subscription at all.
    #[must_use]
    pub(crate) fn anyone_subscribed(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Whether a client that is connected listens to a topic.
    #[must_use]
    pub(crate) fn subscribers_online(&self, topic: &str) -> bool {
        self.subscriptions.any(topic, |at| self.session(at).is_some_and(Session::online))
    }

    /// Subscribes a client to those filters that it is allowed, and says what was granted.
    ///
    /// # Errors
    /// The client broke the protocol: its connection is to be closed.
    pub(crate) fn subscribe(
        &mut self,
        id: ConnectionId,
        subscribe: &Subscribe,
        mut allowed: impl FnMut(&Filter) -> bool,
    ) -> Result<Packet, Violation> {
        let (at, _) =
            self.of(id).ok_or(Violation::protocol("the connection is not one of a client"))?;
        let mut targets = Vec::with_capacity(subscribe.topic_filters.len());
        for (text, options) in &subscribe.topic_filters {
            let target = Target::parse(text);
            if options.no_local && target.as_ref().is_ok_and(|t| t.group.is_some()) {
                return Err(Violation::protocol("a shared subscription cannot be no-local"));
            }
            targets.push(target);
        }
        let mut status = Vec::with_capacity(targets.len());
        for ((text, asked), target) in subscribe.topic_filters.iter().zip(targets) {
            status.push(match target {
                // More than it may have cannot all be good, and the same one over and over is
                // work for nothing.
                _ if status.len() >= self.limits.subscriptions_per_client => {
                    SubscribeAckReason::QuotaExceeded
                }
                Err(_) => SubscribeAckReason::TopicFilterInvalid,
                Ok(target) if !allowed(&target.filter) => SubscribeAckReason::NotAuthorized,
                Ok(target) => self.add(at, text, target, *asked, subscribe.id),
            });
        }
        self.wake(at);
        Ok(Packet::SubscribeAck(SubscribeAck {
            packet_id: subscribe.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status,
        }))
    }

    fn add(
        &mut self,
        at: SessionId,
        text: &str,
        target: Target,
        asked: SubscriptionOptions,
        id: Option<std::num::NonZeroU32>,
    ) -> SubscribeAckReason {
        let limits = &self.limits;
        let full = self.subscriptions.len() >= limits.subscriptions
            || self.subscriptions.bytes() >= limits.subscription_bytes;
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return SubscribeAckReason::UnspecifiedError;
        };
        let known = session.subscriptions.contains_key(text);
        let full = full || session.subscriptions.len() >= limits.subscriptions_per_client;
        if full && !known {
            return SubscribeAckReason::QuotaExceeded;
        }
        let options = Options {
            qos: asked.qos,
            no_local: asked.no_local,
            retain_as_published: asked.retain_as_published,
            id,
        };
        self.subscriptions.insert(at, &target, options);
        let wants = match asked.retain_handling {
            RetainHandling::AtSubscribe => true,
            RetainHandling::AtSubscribeNew => !known,
            RetainHandling::NoAtSubscribe => false,
        };
        if wants && target.group.is_none() {
            session.out.begin(self.retained.scan(target.filter.clone(), text, asked.qos, id));
        }
        if !known {
            session.subscriptions.insert(text.into(), target);
        }
        match asked.qos {
            QoS::AtMostOnce => SubscribeAckReason::GrantedQos0,
            QoS::AtLeastOnce => SubscribeAckReason::GrantedQos1,
            QoS::ExactlyOnce => SubscribeAckReason::GrantedQos2,
        }
    }

    /// Delivers a client's publish. It is copied only where someone wants it.
    pub(crate) fn route(
        &mut self,
        from: Option<ConnectionId>,
        publish: &Publish,
        now: Instant,
    ) -> Routed {
        let from = from.and_then(|id| self.connections.get(&id).copied());
        self.find(&publish.topic, from, publish.qos);
        if self.hits.is_empty() && !publish.retain {
            return Routed::default();
        }
        self.deliver(&Arc::new(Message::of(publish, now)), false)
    }

    /// Delivers a message of the gateway itself, or, as `own` says, a client's will.
    pub(crate) fn publish(&mut self, message: &Arc<Message>, own: bool) -> Routed {
        self.find(&message.topic, None, message.qos);
        self.deliver(message, own)
    }

    /// Finds who gets a message, each session once, but for what it gets as one of a group.
    fn find(&mut self, topic: &str, from: Option<SessionId>, qos: QoS) {
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        let online = |at| self.session(at).is_some_and(Session::online);
        self.subscriptions.matching(topic, from, qos != QoS::AtMostOnce, online, &mut hits);
        hits.sort_unstable_by_key(|hit| (hit.session, hit.shared));
        self.hits = hits;
    }

    fn deliver(&mut self, message: &Arc<Message>, own: bool) -> Routed {
        let stored = message.retain.then(|| {
            let (most, bytes) = (self.limits.retained, self.limits.retained_bytes);
            self.retained.store(message, own, most, bytes)
        });
        self.dropped.retained_full += u64::from(stored == Some(Stored::Full));
        let hits = std::mem::take(&mut self.hits);
        let mut sessions = 0;
        let mut rest = &hits[..];
        while let Some(first) = rest.first() {
            let same = |hit: &&Hit| hit.session == first.session && !hit.shared && !first.shared;
            let alike = rest.iter().take_while(same).count().max(1);
            let (these, others) = rest.split_at(alike);
            rest = others;
            sessions += usize::from(self.enqueue(first.session, these, message));
        }
        self.hits = hits;
        Routed { sessions, stored }
    }

    /// Queues a message for a session by these subscriptions of it.
    fn enqueue(&mut self, at: SessionId, hits: &[Hit], message: &Arc<Message>) -> bool {
        let granted = hits.iter().map(|hit| hit.options.qos).max().unwrap_or(QoS::AtMostOnce);
        let qos = granted.less_value(message.qos);
        let retain = message.retain && hits.iter().any(|hit| hit.options.retain_as_published);
        let ids = hits.iter().filter_map(|hit| hit.options.id).collect();
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return false;
        };
        if !session.online() && qos == QoS::AtMostOnce {
            return false;
        }
        let (len, bytes) = (session.out.len(), session.out.bytes());
        let delivery = Delivery { message: Arc::clone(message), qos, retain, ids };
        let others = self.queued_bytes - bytes;
        let queued = session.out.push(delivery, &self.limits, others, &mut self.dropped);
        self.recount(at, len, bytes);
        if queued {
            self.wake(at);
        }
        queued
    }

    /// Notes that there may be something for a session's connection.
    pub(super) fn wake(&mut self, at: SessionId) {
        let session = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut);
        let waiting = session.filter(|s| !s.late.is_empty() || s.out.waiting());
        let Some(connection) = waiting.and_then(|session| session.connection.as_mut()) else {
            return;
        };
        if !connection.woken {
            connection.woken = true;
            self.ready.push(connection.id);
        }
    }

    /// Moves the connections for which there is something to `into`; each is named once until
    /// [`State::next`] was called for it.
    pub(crate) fn take_ready(&mut self, into: &mut Vec<ConnectionId>) {
        into.append(&mut self.ready);
    }

    /// Writes what waits for a connection to `out`, and stops when that has `most` bytes; says
    /// whether there is more, for which it is to be called again.
    pub(crate) fn next(
        &mut self,
        id: ConnectionId,
        codec: &mut Codec,
        most: usize,
        out: &mut BytesMut,
        now: Instant,
    ) -> bool {
        let Some(at) = self.connections.get(&id).copied() else { return false };
        let Some(session) = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return false;
        };
        let Some(connection) = session.connection.as_mut() else { return false };
        connection.woken = false;
        let window = connection.window;
        let (len, bytes) = (session.out.len(), session.out.bytes());
        let others = self.queued_bytes - bytes;
        let mut budget = LOOKED_AT;
        let mut more = true;
        while out.len() < most {
            if let Some(late) = session.late.pop_front() {
                codec.encode(Packet::PublishReceived(late), out);
                continue;
            }
            let pull = session.out.pull(
                window,
                (&self.limits, others),
                (&self.retained, &mut budget),
                &mut self.dropped,
                now,
            );
            match pull {
                Pull::Nothing => {
                    more = false;
                    break;
                }
                Pull::Pause => break,
                Pull::Release(id) => {
                    let release = second(id, PublishAck2Reason::Success);
                    codec.encode(Packet::PublishRelease(release), out);
                }
                Pull::Again(place) => {
                    let Some((id, delivery)) = session.out.at(place) else { continue };
                    if !codec.publish(delivery, true, Some(id), now, out) {
                        let qos = delivery.qos;
                        session.out.give_up(id, qos);
                        self.dropped.too_large += 1;
                    }
                }
                Pull::New(delivery) if delivery.qos == QoS::AtMostOnce => {
                    if !codec.publish(&delivery, false, None, now, out) {
                        self.dropped.too_large += 1;
                    }
                }
                Pull::New(delivery) => {
                    // The window is far below the number of ids.
                    let Some(id) = session.out.take_id() else { continue };
                    if codec.publish(&delivery, false, Some(id), now, out) {
                        session.out.keep(id, delivery);
                    } else {
                        session.out.return_id(id);
                        self.dropped.too_large += 1;
                    }
                }
            }
        }
        if more && let Some(connection) = session.connection.as_mut() {
            connection.woken = true;
        }
        self.recount(at, len, bytes);
        more
    }
}

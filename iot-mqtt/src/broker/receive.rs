//! What clients send: publishes before they are routed, their acknowledgements, and the rest of
//! the protocol's packets.

use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{
    Disconnect, DisconnectReasonCode, Packet, PublishAck2Reason, PublishAckReason, Unsubscribe,
    UnsubscribeAck, UnsubscribeAckReason,
};

use super::codec::Version;
use super::message::own_text;
use super::session::{ConnectionId, Incoming, Receipt, Session, SessionId, answer};
use super::state::{Closed, State};
use super::subscriptions::Target;
use super::translate::second;
use super::violation::Violation;
use crate::topic::{self, TopicError};

/// What a publish is, by the protocol alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inbound {
    /// To be looked at, routed, and, where there is a receipt, acknowledged.
    Fresh(Option<Receipt>),
    /// A repeated one of QoS 2 that was taken before. Where there is a receipt, it is acknowledged
    /// once more, in its turn; where not, its first acknowledgement is still to come.
    Duplicate(Option<Receipt>),
    /// Not to be routed; acknowledged with this reason where there is a receipt.
    Refused(Option<Receipt>, PublishAckReason),
}

/// What a packet calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing.
    Nothing,
    /// To be sent.
    Send(Packet),
    /// The client says goodbye: close, and tell [`State::closed`].
    Close(Closed),
}

const UNKNOWN: Violation = Violation::protocol("the connection is not one of a client");

impl State {
    pub(super) fn of(&mut self, id: ConnectionId) -> Option<(SessionId, &mut Session)> {
        let at = *self.connections.get(&id)?;
        let session = self.sessions.get_mut(at.0 as usize)?.as_deref_mut()?;
        Some((at, session))
    }

    /// Checks a publish and puts its topic in the place of its alias.
    ///
    /// # Errors
    /// The client broke the protocol: its connection is to be closed.
    pub(crate) fn inbound(
        &mut self,
        id: ConnectionId,
        publish: &mut Publish,
    ) -> Result<Inbound, Violation> {
        let (aliases, receive_maximum) = (self.limits.topic_aliases, self.limits.receive_maximum);
        let (payload, most) = (self.limits.payload as usize, self.limits.unreleased);
        let unreleased = self.unreleased;
        let (at, session) = self.of(id).ok_or(UNKNOWN)?;
        resolve(session, publish, aliases)?;
        let verdict = check(publish, payload)?;

        let Some(packet_id) = publish.packet_id.filter(|_| publish.qos != QoS::AtMostOnce) else {
            return Ok(match verdict {
                None => Inbound::Fresh(None),
                Some(reason) => Inbound::Refused(None, reason),
            });
        };
        let receipt = Receipt {
            session: at,
            epoch: session.epoch,
            connection: id,
            packet_id,
            qos: publish.qos,
        };
        let assured = publish.qos == QoS::ExactlyOnce;
        let known = match publish.qos {
            QoS::ExactlyOnce => session.incoming.get_mut(&packet_id),
            _ => None,
        };
        let counted = known.as_ref().is_some_and(|known| known.connection == id);
        let known = known.map(|known| {
            known.connection = id;
            known.safe
        });
        if !counted && let Some(connection) = &mut session.connection {
            connection.unacknowledged += 1;
            if session.version == Version::V5
                && connection.unacknowledged > usize::from(receive_maximum)
            {
                return Err(Violation::new(
                    DisconnectReasonCode::ReceiveMaximumExceeded,
                    "more publishes are unanswered than the client was told it may send",
                ));
            }
        }
        if let Some(safe) = known {
            return Ok(Inbound::Duplicate(safe.then_some(receipt)));
        }
        if assured && (unreleased >= most || session.incoming.len() >= receive_maximum.into()) {
            return if session.version == Version::V5 {
                Ok(Inbound::Refused(Some(receipt), PublishAckReason::QuotaExceeded))
            } else {
                Err(Violation::new(
                    DisconnectReasonCode::QuotaExceeded,
                    "too many publishes of QoS 2 are not released",
                ))
            };
        }
        if assured {
            session.incoming.insert(packet_id, Incoming { safe: false, connection: id });
            self.unreleased += 1;
        }
        Ok(match verdict {
            None => Inbound::Fresh(Some(receipt)),
            Some(reason) => Inbound::Refused(Some(receipt), reason),
        })
    }

    /// How many publishes of a client with QoS 1 or 2 are not done with.
    #[cfg(test)]
    pub(crate) fn unacknowledged(&self, id: ConnectionId) -> usize {
        let session = self.connections.get(&id).and_then(|at| self.session(*at));
        session.and_then(|s| s.connection.as_ref()).map_or(0, |c| c.unacknowledged)
    }

    /// What answers a publish, now that it is safe or refused: a PUBACK or PUBREC for the
    /// connection that it came by. None where that is gone; a PUBREC that the client waits for on
    /// another one goes out there by itself.
    pub(crate) fn acknowledge(
        &mut self,
        receipt: &Receipt,
        reason: PublishAckReason,
    ) -> Option<Packet> {
        let session = self.sessions.get_mut(receipt.session.0 as usize)?.as_deref_mut()?;
        if session.epoch != receipt.epoch {
            return None;
        }
        let ack = answer(receipt.packet_id, reason);
        if receipt.qos != QoS::ExactlyOnce {
            return session.settle(receipt.connection).then_some(Packet::PublishAck(ack));
        }
        // MQTT 3 has no failure: its client goes on to release the id.
        let failed = u8::from(reason) >= 0x80 && session.version == Version::V5;
        let waiting = match session.incoming.get_mut(&receipt.packet_id) {
            Some(incoming) => {
                incoming.safe = true;
                incoming.connection
            }
            // It was refused for want of room, and so is not remembered.
            None if failed => receipt.connection,
            None => return None,
        };
        if failed {
            self.unreleased -= usize::from(session.incoming.remove(&receipt.packet_id).is_some());
            session.settle(waiting);
        }
        let current = session.connection.as_ref().map(|connection| connection.id)?;
        if current != waiting {
            return None;
        }
        if current == receipt.connection {
            return Some(Packet::PublishReceived(ack));
        }
        session.late.push_back(ack);
        self.wake(receipt.session);
        None
    }

    /// Takes any packet that is not a PUBLISH or a SUBSCRIBE.
    ///
    /// # Errors
    /// The client broke the protocol: its connection is to be closed.
    pub(crate) fn packet(
        &mut self,
        id: ConnectionId,
        packet: Packet,
    ) -> Result<Outcome, Violation> {
        let (at, session) = self.of(id).ok_or(UNKNOWN)?;
        let (len, bytes) = (session.out.len(), session.out.bytes());
        let outcome = match packet {
            Packet::PingRequest => Outcome::Send(Packet::PingResponse),
            // Of a packet id that is not known: an answer to what was sent before a session was
            // lost, say. The protocol asks for no reaction.
            Packet::PublishAck(ack) => {
                session.out.acknowledged(ack.packet_id);
                Outcome::Nothing
            }
            Packet::PublishReceived(ack) => {
                let failed = u8::from(ack.reason_code) >= 0x80;
                let known = session.out.received(ack.packet_id, failed);
                if failed {
                    Outcome::Nothing
                } else {
                    let reason = found(known);
                    Outcome::Send(Packet::PublishRelease(second(ack.packet_id, reason)))
                }
            }
            Packet::PublishComplete(ack) => {
                session.out.completed(ack.packet_id);
                Outcome::Nothing
            }
            Packet::PublishRelease(ack) => {
                match session.incoming.get(&ack.packet_id).map(|incoming| incoming.safe) {
                    Some(false) => {
                        return Err(Violation::protocol(
                            "a PUBREL came before the PUBREC that it answers",
                        ));
                    }
                    Some(true) => {
                        if let Some(incoming) = session.incoming.remove(&ack.packet_id) {
                            session.settle(incoming.connection);
                            self.unreleased -= 1;
                        }
                        Outcome::Send(Packet::PublishComplete(second(ack.packet_id, found(true))))
                    }
                    None => {
                        Outcome::Send(Packet::PublishComplete(second(ack.packet_id, found(false))))
                    }
                }
            }
            Packet::Unsubscribe(unsubscribe) => Outcome::Send(self.unsubscribe(at, &unsubscribe)),
            Packet::Disconnect(disconnect) => Outcome::Close(self.goodbye(id, &disconnect)?),
            Packet::Connect(_) => {
                return Err(Violation::protocol("a client connects once"));
            }
            Packet::Auth(_) => {
                return Err(Violation::protocol("no such authentication was agreed on"));
            }
            _ => return Err(Violation::protocol("a client does not send such a packet")),
        };
        self.recount(at, len, bytes);
        self.wake(at);
        Ok(outcome)
    }

    /// Brings the sums up to date with a session's outgoing messages, after they were so many.
    pub(super) fn recount(&mut self, at: SessionId, len: usize, bytes: usize) {
        let Some(session) = self.session(at) else { return };
        let (new_len, new_bytes) = (session.out.len(), session.out.bytes());
        self.queued = self.queued - len + new_len;
        self.queued_bytes = self.queued_bytes - bytes + new_bytes;
    }

    fn unsubscribe(&mut self, at: SessionId, unsubscribe: &Unsubscribe) -> Packet {
        let mut status = Vec::with_capacity(unsubscribe.topic_filters.len());
        for filter in &unsubscribe.topic_filters {
            let session = self.sessions.get_mut(at.0 as usize).and_then(Option::as_mut);
            let removed = session.and_then(|session| {
                session.out.forget(filter);
                session.subscriptions.remove(&**filter)
            });
            if let Some(target) = &removed {
                self.subscriptions.remove(at, target);
            }
            status.push(match removed {
                Some(_) => UnsubscribeAckReason::Success,
                None if Target::parse(filter).is_err() => UnsubscribeAckReason::TopicFilterInvalid,
                None => UnsubscribeAckReason::NoSubscriptionExisted,
            });
        }
        Packet::UnsubscribeAck(UnsubscribeAck {
            packet_id: unsubscribe.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status,
        })
    }

    fn goodbye(&mut self, id: ConnectionId, disconnect: &Disconnect) -> Result<Closed, Violation> {
        let asked = disconnect.session_expiry_interval_secs;
        if let Some(asked) = asked {
            let (expiry, _) = self.expiry(Version::V5, asked);
            let (_, session) = self.of(id).ok_or(UNKNOWN)?;
            if session.expiry.is_zero() && asked > 0 {
                return Err(Violation::protocol(
                    "a session that ends with its connection cannot be made to stay at its end",
                ));
            }
            session.expiry = expiry;
        }
        Ok(match disconnect.reason_code {
            DisconnectReasonCode::NormalDisconnection => Closed::Clean,
            _ => Closed::Abnormal,
        })
    }
}

fn found(known: bool) -> PublishAck2Reason {
    if known { PublishAck2Reason::Success } else { PublishAck2Reason::PacketIdNotFound }
}

/// Puts a topic in the place of its alias, or learns the alias.
fn resolve(session: &mut Session, publish: &mut Publish, most: u16) -> Result<(), Violation> {
    let alias = publish.properties.as_mut().and_then(|properties| properties.topic_alias.take());
    let Some(alias) = alias else {
        return if publish.topic.is_empty() {
            Err(Violation::protocol("a publish has neither a topic nor an alias"))
        } else {
            Ok(())
        };
    };
    if alias.get() > most {
        return Err(Violation::new(
            DisconnectReasonCode::TopicAliasInvalid,
            "a topic alias is larger than the client was told it may be",
        ));
    }
    let Some(connection) = &mut session.connection else { return Err(UNKNOWN) };
    if publish.topic.is_empty() {
        publish.topic = connection
            .aliases
            .get(&alias)
            .cloned()
            .ok_or(Violation::protocol("a topic alias was not set"))?;
    } else if topic::check_name(&publish.topic).is_ok() {
        connection.aliases.insert(alias, own_text(&publish.topic));
    }
    Ok(())
}

/// Whether a publish may be routed; a name with a wildcard ends the connection.
fn check(publish: &Publish, payload: usize) -> Result<Option<PublishAckReason>, Violation> {
    if let Some(properties) = &publish.properties {
        if !properties.subscription_ids.is_empty() {
            return Err(Violation::protocol("only servers send subscription identifiers"));
        }
        let response = properties.response_topic.as_ref();
        if response.is_some_and(|t| t.is_empty() || t.contains(['+', '#'])) {
            return Err(Violation::protocol("a response topic is the name of one"));
        }
    }
    match topic::check_name(&publish.topic) {
        Ok(()) if publish.topic.starts_with('$') => Ok(Some(PublishAckReason::NotAuthorized)),
        Ok(()) if publish.payload.len() > payload => Ok(Some(PublishAckReason::QuotaExceeded)),
        Ok(()) => Ok(None),
        // These are our own bounds, not the protocol's.
        Err(TopicError::TooLong | TopicError::TooDeep) => {
            Ok(Some(PublishAckReason::TopicNameInvalid))
        }
        Err(_) => Err(Violation::new(
            DisconnectReasonCode::TopicNameInvalid,
            "a publish's topic is no name",
        )),
    }
}

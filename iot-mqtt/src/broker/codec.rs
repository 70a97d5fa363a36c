//! Bytes to packets and back, for MQTT 3.1, 3.1.1 and 5 on one port.
//!
//! The version is the CONNECT's. A packet is decoded only when all of it is there, and is refused
//! by its header alone where it is too large, so that no memory is taken for what was only
//! announced.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, BytesMut};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::v5::{ConnectAckReason, DisconnectReasonCode, Packet};
use rmqtt_codec::{v3, v5};
use tokio::time::Instant;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::frame::{self, Header};
use super::limits::Limits;
use super::message::Delivery;
use super::translate;
use super::violation::Violation;
use super::write;

/// Which protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// 3.1 and 3.1.1.
    V3,
    /// 5.
    V5,
}

#[derive(Debug)]
enum Inner {
    /// No CONNECT yet.
    Unknown,
    /// A CONNECT of a version that is not spoken here.
    Unsupported(u8),
    V3(v3::Codec),
    V5(v5::Codec),
}

/// One connection's codec.
#[derive(Debug)]
pub(crate) struct Codec {
    inner: Inner,
    /// The largest packets that are taken: before and after the CONNECT.
    most_connect: u32,
    most: u32,
    /// The largest packet that the client takes.
    most_out: Option<NonZeroU32>,
}

impl Codec {
    /// A codec for a new connection.
    #[must_use]
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inner: Inner::Unknown,
            most_connect: limits.connect,
            most: limits.packet(),
            most_out: None,
        }
    }

    /// The client's version, once its CONNECT was read.
    #[must_use]
    pub(crate) fn version(&self) -> Option<Version> {
        match self.inner {
            Inner::Unknown | Inner::Unsupported(_) => None,
            Inner::V3(_) => Some(Version::V3),
            Inner::V5(_) => Some(Version::V5),
        }
    }

    /// Takes the next packet from the buffer, if all of it is there.
    ///
    /// # Errors
    /// The client did something that ends the connection; [`Codec::farewell`] tells it.
    pub(crate) fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, Violation> {
        let known = self.version().is_some();
        let most = if known { self.most } else { self.most_connect };
        if !known && src.first().is_some_and(|first| *first != CONNECT) {
            return Err(Violation::protocol("the first packet is no CONNECT"));
        }
        let Some(header) = Header::read(src, most)? else { return Ok(None) };
        match header.kind() {
            0 => return Err(Violation::malformed("there is no packet type 0")),
            // CONNACK, SUBACK, UNSUBACK, PINGRESP.
            2 | 9 | 11 | 13 => return Err(Violation::protocol("only servers send such packets")),
            _ => {}
        }
        let Some(body) = src.get(header.len..header.total()) else { return Ok(None) };
        if !known {
            self.inner = begin(body)?;
        }
        match &mut self.inner {
            Inner::Unknown | Inner::Unsupported(_) => Err(Violation::refused(
                ConnectAckReason::UnsupportedProtocolVersion,
                "the protocol's version is not one that is spoken here",
            )),
            Inner::V3(codec) => {
                frame::check(header, body, Version::V3)?;
                let packet = codec.decode(src).map_err(violation)?.map(|(packet, _)| packet);
                packet.map(translate::up).map(texts).transpose()
            }
            Inner::V5(codec) => {
                frame::check(header, body, Version::V5)?;
                let packet = codec.decode(src).map_err(violation)?.map(|(packet, _)| packet);
                if let Some(Packet::Connect(connect)) = &packet {
                    self.most_out = connect.max_packet_size;
                }
                packet.map(texts).transpose()
            }
        }
    }

    /// Writes a packet. Nothing is written where the client's version has no such packet, or it
    /// takes none as large; the caller closes the connection after a DISCONNECT in any case.
    pub(crate) fn encode(&mut self, packet: impl Into<Packet>, out: &mut BytesMut) {
        let packet = packet.into();
        let start = out.len();
        let written = match &mut self.inner {
            Inner::Unknown | Inner::Unsupported(_) => Ok(()),
            Inner::V3(codec) => match translate::down(packet) {
                Some(packet) => codec.encode(packet, out),
                None => Ok(()),
            },
            Inner::V5(codec) => match write::short(&packet, out) {
                true => Ok(()),
                false => codec.encode(packet, out),
            },
        };
        let too_large = self.most_out.is_some_and(|most| out.len() - start > most.get() as usize);
        // The broker makes no packet that cannot be encoded; a part of one must not be sent.
        if too_large || written.is_err() {
            out.truncate(start);
        }
    }

    /// Writes a message's PUBLISH; says whether the client takes one as large.
    pub(crate) fn publish(
        &self,
        delivery: &Delivery,
        again: bool,
        id: Option<NonZeroU16>,
        now: Instant,
        out: &mut BytesMut,
    ) -> bool {
        let Some(version) = self.version() else { return false };
        let publish = write::Publish::new(delivery, version, again, id, now);
        if self.most_out.is_some_and(|most| publish.total() > most.get() as usize) {
            return false;
        }
        publish.write(out)
    }

    /// Tells the client why its connection closes, in the way of its protocol: by a CONNACK while
    /// the connection was not `accepted`, else by a DISCONNECT, or not at all.
    pub(crate) fn farewell(&mut self, violation: &Violation, accepted: bool, out: &mut BytesMut) {
        match self.inner {
            Inner::Unsupported(level) if level < 5 => out.put_slice(&[0x20, 2, 0, 1]),
            Inner::Unsupported(_) => out.put_slice(&[0x20, 3, 0, 0x84, 0]),
            Inner::V3(_) if accepted || violation.refusal.is_none() => {}
            _ if accepted => self.encode(violation.disconnect(), out),
            _ => self.encode(violation.connack(), out),
        }
    }
}

const CONNECT: u8 = 0x10;

/// The codec for a CONNECT.
fn begin(body: &[u8]) -> Result<Inner, Violation> {
    // Length is held to by our own reading of the header; 0 is no limit.
    match frame::protocol(body) {
        Some((b"MQIsdp", 3) | (b"MQTT", 4)) => Ok(Inner::V3(v3::Codec::new(0))),
        Some((b"MQTT", 5)) => Ok(Inner::V5(v5::Codec::new(0, 0))),
        Some((b"MQIsdp" | b"MQTT", level)) => Ok(Inner::Unsupported(level)),
        _ => Err(Violation::malformed("the CONNECT is not MQTT's")),
    }
}

fn violation(error: DecodeError) -> Violation {
    match error {
        DecodeError::InvalidClientId => Violation::refused(
            ConnectAckReason::ClientIdentifierNotValid,
            "a session without an id cannot be asked for again",
        ),
        DecodeError::InvalidTopicFilter => {
            Violation::protocol("a SUBSCRIBE or UNSUBSCRIBE has a filter")
        }
        DecodeError::InvalidTopicName => {
            Violation::new(DisconnectReasonCode::TopicNameInvalid, "a topic has a name")
        }
        DecodeError::Utf8Error => Violation::malformed("a text is not UTF-8"),
        _ => Violation::malformed("the packet is malformed"),
    }
}

/// Refuses U+0000, which no text of the protocol may hold.
fn texts(packet: Packet) -> Result<Packet, Violation> {
    let nul = |text: &str| text.as_bytes().contains(&0);
    let some = |text: &Option<bytestring::ByteString>| text.as_deref().is_some_and(nul);
    let user = |all: &v5::UserProperties| all.iter().any(|(key, value)| nul(key) || nul(value));
    let bad = match &packet {
        Packet::Connect(c) => {
            nul(&c.client_id)
                || some(&c.username)
                || user(&c.user_properties)
                || c.last_will.as_ref().is_some_and(|will| {
                    nul(&will.topic)
                        || some(&will.content_type)
                        || some(&will.response_topic)
                        || user(&will.user_properties)
                })
        }
        Packet::Publish(p) => {
            nul(&p.topic)
                || p.properties.as_ref().is_some_and(|properties| {
                    some(&properties.content_type)
                        || some(&properties.response_topic)
                        || user(&properties.user_properties)
                })
        }
        Packet::Subscribe(s) => s.topic_filters.iter().any(|(filter, _)| nul(filter)),
        Packet::Unsubscribe(u) => u.topic_filters.iter().any(|filter| nul(filter)),
        _ => false,
    };
    if bad { Err(Violation::malformed("a text holds U+0000")) } else { Ok(packet) }
}

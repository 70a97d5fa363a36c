//! The packets that are written most often: PUBLISH, straight from the shared message, and
//! acknowledgements that say nothing but yes.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::{Packet, PublishAck2Reason, PublishAckReason};
use tokio::time::Instant;

use super::codec::Version;
use super::message::Delivery;

/// Writes an acknowledgement without a reason in its short form; says whether it is one.
pub(super) fn short(packet: &Packet, out: &mut BytesMut) -> bool {
    let (first, id) = match packet {
        Packet::PublishAck(ack) if ack.reason_code == PublishAckReason::Success => {
            (0x40, ack.packet_id)
        }
        Packet::PublishReceived(ack) if ack.reason_code == PublishAckReason::Success => {
            (0x50, ack.packet_id)
        }
        Packet::PublishRelease(ack) if ack.reason_code == PublishAck2Reason::Success => {
            (0x62, ack.packet_id)
        }
        Packet::PublishComplete(ack) if ack.reason_code == PublishAck2Reason::Success => {
            (0x70, ack.packet_id)
        }
        _ => return false,
    };
    out.put_slice(&[first, 2]);
    out.put_u16(id.get());
    true
}

/// A PUBLISH about to be written.
#[derive(Debug)]
pub(super) struct Publish<'a> {
    delivery: &'a Delivery,
    version: Version,
    again: bool,
    id: Option<NonZeroU16>,
    lifetime: Option<u32>,
    properties: usize,
    /// All that follows the fixed header.
    rest: usize,
}

impl<'a> Publish<'a> {
    pub(super) fn new(
        delivery: &'a Delivery,
        version: Version,
        again: bool,
        id: Option<NonZeroU16>,
        now: Instant,
    ) -> Self {
        let message = &*delivery.message;
        let lifetime = message.lifetime(now).map(std::num::NonZeroU32::get);
        let mut rest = 2 + message.topic.len() + message.payload.len();
        if delivery.qos != QoS::AtMostOnce {
            rest += 2;
        }
        let mut properties = 0;
        if version == Version::V5 {
            properties = lifetime.map_or(0, |_| 5);
            properties += delivery.ids.iter().map(|id| 1 + variable(id.get())).sum::<usize>();
            if let Some(given) = &message.properties {
                properties += if given.is_utf8_payload { 2 } else { 0 };
                properties += given.content_type.as_ref().map_or(0, |text| 3 + text.len());
                properties += given.response_topic.as_ref().map_or(0, |text| 3 + text.len());
                properties += given.correlation_data.as_ref().map_or(0, |data| 3 + data.len());
                let user = given.user_properties.iter().map(|(k, v)| 5 + k.len() + v.len());
                properties += user.sum::<usize>();
            }
            rest += properties + variable(u32::try_from(properties).unwrap_or(u32::MAX));
        }
        Self { delivery, version, again, id, lifetime, properties, rest }
    }

    /// How many bytes it has.
    pub(super) fn total(&self) -> usize {
        1 + variable(u32::try_from(self.rest).unwrap_or(u32::MAX)) + self.rest
    }

    /// Writes it; says whether the protocol has packets as large.
    pub(super) fn write(&self, out: &mut BytesMut) -> bool {
        let Delivery { message, qos, retain, ids } = self.delivery;
        let (Ok(rest), Ok(topic)) = (u32::try_from(self.rest), u16::try_from(message.topic.len()))
        else {
            return false;
        };
        if rest > LARGEST {
            return false;
        }
        out.reserve(self.total());
        let dup = if self.again { 0b1000 } else { 0 };
        out.put_u8(0x30 | dup | (qos.value() << 1) | u8::from(*retain));
        put_variable(rest, out);
        out.put_u16(topic);
        out.put_slice(message.topic.as_bytes());
        if *qos != QoS::AtMostOnce {
            out.put_u16(self.id.map_or(0, NonZeroU16::get));
        }
        if self.version == Version::V5 {
            put_variable(u32::try_from(self.properties).unwrap_or(LARGEST), out);
            if let Some(seconds) = self.lifetime {
                out.put_u8(0x02);
                out.put_u32(seconds);
            }
            if let Some(given) = &message.properties {
                if given.is_utf8_payload {
                    out.put_slice(&[0x01, 1]);
                }
                let text = |id: u8, bytes: Option<&[u8]>, out: &mut BytesMut| {
                    let Some(bytes) = bytes else { return };
                    out.put_u8(id);
                    put_block(bytes, out);
                };
                text(0x03, given.content_type.as_ref().map(|t| t.as_ref()), out);
                text(0x08, given.response_topic.as_ref().map(|t| t.as_ref()), out);
                text(0x09, given.correlation_data.as_deref(), out);
                for (key, value) in &given.user_properties {
                    text(0x26, Some(key.as_ref()), out);
                    put_block(value.as_ref(), out);
                }
            }
            for id in ids {
                out.put_u8(0x0b);
                put_variable(id.get(), out);
            }
        }
        out.put_slice(&message.payload);
        true
    }
}

/// The largest number that the protocol's lengths can say.
const LARGEST: u32 = 0x0fff_ffff;

/// All such texts came in by the protocol, so their length fits.
fn put_block(bytes: &[u8], out: &mut BytesMut) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.put_u16(len);
    out.put_slice(bytes.get(..usize::from(len)).unwrap_or(bytes));
}

/// How many bytes a number of variable length has.
fn variable(number: u32) -> usize {
    match number {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

fn put_variable(mut number: u32, out: &mut BytesMut) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
}

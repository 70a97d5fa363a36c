//! What a broker sends, the same for both versions of the protocol.

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::PublishProperties;
use rmqtt_codec::{MqttPacket, v3, v5};

use super::connect::Connack;

/// The properties of a message of MQTT 5; left at its default, it is not sent.
pub type Properties = PublishProperties;

/// A message, to be published or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to or from; empty where an alias in the properties says it.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// With which promise.
    pub qos: QoS,
    /// To be kept by the broker; or, received, that it was.
    pub retain: bool,
    /// Sent before.
    pub dup: bool,
    /// Its number on this connection, of QoS 1 and 2. The client gives it out where it is not set.
    pub packet_id: Option<u16>,
    /// Of MQTT 5.
    pub properties: Properties,
}

impl Message {
    /// A message of QoS 1.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
            packet_id: None,
            properties: Properties::default(),
        }
    }

    /// The same with another promise.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same, to be kept.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same with these properties, of MQTT 5.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// The payload as text, for a test's eyes.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The first user property of this name.
    #[must_use]
    pub fn user_property(&self, name: &str) -> Option<&str> {
        self.properties
            .user_properties
            .iter()
            .find_map(|(key, value)| (*key == name).then_some(&**value))
    }

    pub(super) fn to_publish(&self) -> Publish {
        Publish {
            dup: self.dup,
            retain: self.retain,
            qos: self.qos,
            topic: ByteString::from(self.topic.as_str()),
            packet_id: self.packet_id.and_then(std::num::NonZeroU16::new),
            payload: self.payload.clone(),
            properties: Some(self.properties.clone()),
        }
    }
}

impl From<Publish> for Message {
    fn from(publish: Publish) -> Self {
        Self {
            topic: publish.topic.to_string(),
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id.map(std::num::NonZeroU16::get),
            properties: publish.properties.unwrap_or_default(),
        }
    }
}

/// A packet from the broker. Codes of 3.1.1, which has none here, are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet {
    /// The answer to CONNECT.
    Connack(Connack),
    /// A message.
    Publish(Message),
    /// A message of QoS 1 is the broker's now.
    Puback {
        /// Which.
        id: u16,
        /// Its reason code.
        code: u8,
    },
    /// A message of QoS 2 is the broker's now.
    Pubrec {
        /// Which.
        id: u16,
        /// Its reason code.
        code: u8,
    },
    /// The broker will not send this message of QoS 2 again.
    Pubrel {
        /// Which.
        id: u16,
        /// Its reason code.
        code: u8,
    },
    /// This message of QoS 2 is done with.
    Pubcomp {
        /// Which.
        id: u16,
        /// Its reason code.
        code: u8,
    },
    /// The answer to SUBSCRIBE.
    Suback {
        /// To which.
        id: u16,
        /// The QoS granted, or from 0x80 on why not, for each filter.
        codes: Vec<u8>,
    },
    /// The answer to UNSUBSCRIBE.
    Unsuback {
        /// To which.
        id: u16,
        /// A reason code for each filter, of MQTT 5.
        codes: Vec<u8>,
    },
    /// The answer to PINGREQ.
    Pingresp,
    /// The broker ends the connection, in MQTT 5.
    Disconnect {
        /// Why.
        code: u8,
    },
    /// What a broker does not send, or not without being asked for.
    Unexpected(String),
}

impl From<MqttPacket> for Packet {
    fn from(packet: MqttPacket) -> Self {
        match packet {
            MqttPacket::V3(packet) => from_v3(packet),
            MqttPacket::V5(packet) => from_v5(packet),
            MqttPacket::Version(version) => Packet::Unexpected(format!("{version:?}")),
        }
    }
}

fn from_v3(packet: v3::Packet) -> Packet {
    use v3::{Packet as P, SubscribeReturnCode};
    match packet {
        P::ConnectAck(ack) => Packet::Connack(Connack::of_v3(ack)),
        P::Publish(publish) => Packet::Publish(Message::from(*publish)),
        P::PublishAck { packet_id } => Packet::Puback { id: packet_id.get(), code: 0 },
        P::PublishReceived { packet_id } => Packet::Pubrec { id: packet_id.get(), code: 0 },
        P::PublishRelease { packet_id } => Packet::Pubrel { id: packet_id.get(), code: 0 },
        P::PublishComplete { packet_id } => Packet::Pubcomp { id: packet_id.get(), code: 0 },
        P::SubscribeAck { packet_id, status } => Packet::Suback {
            id: packet_id.get(),
            codes: status
                .into_iter()
                .map(|status| match status {
                    SubscribeReturnCode::Success(qos) => qos.value(),
                    SubscribeReturnCode::Failure => 0x80,
                })
                .collect(),
        },
        P::UnsubscribeAck { packet_id } => {
            Packet::Unsuback { id: packet_id.get(), codes: Vec::new() }
        }
        P::PingResponse => Packet::Pingresp,
        other => Packet::Unexpected(format!("{other:?}")),
    }
}

fn from_v5(packet: v5::Packet) -> Packet {
    use v5::Packet as P;
    match packet {
        P::ConnectAck(ack) => Packet::Connack(Connack::of_v5(&ack)),
        P::Publish(publish) => Packet::Publish(Message::from(*publish)),
        P::PublishAck(ack) => {
            Packet::Puback { id: ack.packet_id.get(), code: ack.reason_code.into() }
        }
        P::PublishReceived(ack) => {
            Packet::Pubrec { id: ack.packet_id.get(), code: ack.reason_code.into() }
        }
        P::PublishRelease(ack) => {
            Packet::Pubrel { id: ack.packet_id.get(), code: ack.reason_code.into() }
        }
        P::PublishComplete(ack) => {
            Packet::Pubcomp { id: ack.packet_id.get(), code: ack.reason_code.into() }
        }
        P::SubscribeAck(ack) => Packet::Suback {
            id: ack.packet_id.get(),
            codes: ack.status.into_iter().map(u8::from).collect(),
        },
        P::UnsubscribeAck(ack) => Packet::Unsuback {
            id: ack.packet_id.get(),
            codes: ack.status.into_iter().map(u8::from).collect(),
        },
        P::PingResponse => Packet::Pingresp,
        P::Disconnect(disconnect) => Packet::Disconnect { code: disconnect.reason_code.into() },
        other => Packet::Unexpected(format!("{other:?}")),
    }
}

//! Clients of both versions for the tests.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Protocol, Publish, QoS};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::broker::codec::Version;
use crate::broker::drive::Drive;
use crate::broker::limits::Limits;
use crate::broker::session::{ConnectionId, answer};
use crate::broker::state::Closed;
use crate::broker::translate::{self, second};

pub(super) const BOTH: [Version; 2] = [Version::V3, Version::V5];

pub(super) fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// A client's packet as bytes.
pub(super) fn bytes(version: Version, packet: v5::Packet) -> BytesMut {
    let mut out = BytesMut::new();
    match version {
        Version::V5 => v5::Codec::default().encode(packet, &mut out).unwrap(),
        Version::V3 => v3::Codec::default().encode(old(packet), &mut out).unwrap(),
    }
    out
}

/// A client's packet of MQTT 5 in MQTT 3.
fn old(packet: v5::Packet) -> v3::Packet {
    match packet {
        v5::Packet::Connect(c) => v3::Packet::Connect(Box::new(v3::Connect {
            protocol: Protocol(4),
            clean_session: c.clean_start,
            keep_alive: c.keep_alive,
            last_will: c.last_will.map(|will| v3::LastWill {
                qos: will.qos,
                retain: will.retain,
                topic: will.topic,
                message: will.message,
            }),
            client_id: c.client_id,
            username: c.username,
            password: c.password,
            cert: None,
        })),
        v5::Packet::Subscribe(s) => v3::Packet::Subscribe {
            packet_id: s.packet_id,
            topic_filters: s.topic_filters.into_iter().map(|(f, o)| (f, o.qos)).collect(),
        },
        v5::Packet::Unsubscribe(u) => {
            v3::Packet::Unsubscribe { packet_id: u.packet_id, topic_filters: u.topic_filters }
        }
        v5::Packet::PingRequest => v3::Packet::PingRequest,
        v5::Packet::Disconnect(_) => v3::Packet::Disconnect,
        other => translate::down(other).unwrap(),
    }
}

/// A server's packets of MQTT 3 in MQTT 5.
fn new(packet: v3::Packet) -> v5::Packet {
    match packet {
        v3::Packet::ConnectAck(ack) => v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
            session_present: ack.session_present,
            reason_code: match ack.return_code {
                v3::ConnectAckReason::ConnectionAccepted => v5::ConnectAckReason::Success,
                v3::ConnectAckReason::NotAuthorized => v5::ConnectAckReason::NotAuthorized,
                v3::ConnectAckReason::IdentifierRejected => {
                    v5::ConnectAckReason::ClientIdentifierNotValid
                }
                v3::ConnectAckReason::UnacceptableProtocolVersion => {
                    v5::ConnectAckReason::UnsupportedProtocolVersion
                }
                _ => v5::ConnectAckReason::ServerUnavailable,
            },
            ..v5::ConnectAck::default()
        })),
        v3::Packet::SubscribeAck { packet_id, status } => {
            v5::Packet::SubscribeAck(v5::SubscribeAck {
                packet_id,
                properties: Vec::new(),
                reason_string: None,
                status: status
                    .into_iter()
                    .map(|s| match s {
                        v3::SubscribeReturnCode::Success(q) => {
                            v5::SubscribeAckReason::try_from(q.value()).unwrap()
                        }
                        v3::SubscribeReturnCode::Failure => {
                            v5::SubscribeAckReason::UnspecifiedError
                        }
                    })
                    .collect(),
            })
        }
        v3::Packet::UnsubscribeAck { packet_id } => {
            v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
                packet_id,
                properties: Vec::new(),
                reason_string: None,
                status: Vec::new(),
            })
        }
        v3::Packet::PingResponse => v5::Packet::PingResponse,
        other => translate::up(other),
    }
}

/// Takes all packets out of what a server wrote.
pub(super) fn read(version: Version, input: &mut BytesMut) -> Vec<v5::Packet> {
    let mut packets = Vec::new();
    match version {
        Version::V5 => {
            let mut codec = v5::Codec::default();
            while let Some((packet, _)) = codec.decode(input).unwrap() {
                packets.push(packet);
            }
        }
        Version::V3 => {
            let mut codec = v3::Codec::default();
            while let Some((packet, _)) = codec.decode(input).unwrap() {
                packets.push(new(packet));
            }
        }
    }
    assert!(input.is_empty(), "a part of a packet was written");
    packets
}

/// A CONNECT of a client that stays for an hour.
pub(super) fn staying(client: &str) -> v5::Connect {
    v5::Connect {
        client_id: client.into(),
        session_expiry_interval_secs: 3_600,
        ..v5::Connect::default()
    }
}

/// A CONNECT of a client that does not.
pub(super) fn passing(client: &str) -> v5::Connect {
    v5::Connect { client_id: client.into(), clean_start: true, ..v5::Connect::default() }
}

pub(super) fn will(topic: &str, text: &str) -> v5::LastWill {
    v5::LastWill {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: topic.into(),
        message: Bytes::from(text.to_owned()),
        will_delay_interval_sec: None,
        correlation_data: None,
        message_expiry_interval: None,
        content_type: None,
        user_properties: Vec::new(),
        is_utf8_payload: None,
        response_topic: None,
    }
}

pub(super) fn publish(topic: &str, text: &str, qos: u8, packet: u16) -> Publish {
    Publish {
        dup: false,
        retain: false,
        qos: QoS::try_from(qos).unwrap(),
        topic: topic.into(),
        packet_id: NonZeroU16::new(packet),
        payload: Bytes::from(text.to_owned()),
        properties: None,
    }
}

pub(super) fn retained(topic: &str, text: &str) -> Publish {
    Publish { retain: true, ..publish(topic, text, 0, 0) }
}

pub(super) fn options(qos: u8) -> v5::SubscriptionOptions {
    v5::SubscriptionOptions {
        qos: QoS::try_from(qos).unwrap(),
        ..v5::SubscriptionOptions::default()
    }
}

/// A broker to which clients talk by packets.
pub(super) struct Bench {
    pub(super) drive: Drive,
    versions: std::collections::HashMap<ConnectionId, Version>,
}

impl Bench {
    pub(super) fn new(limits: Limits) -> Self {
        Self { drive: Drive::new(limits), versions: std::collections::HashMap::new() }
    }

    /// Connects; the CONNACK is given back with the connection.
    pub(super) fn try_connect(
        &mut self,
        version: Version,
        connect: v5::Connect,
    ) -> (ConnectionId, Box<v5::ConnectAck>) {
        let line = self.drive.open();
        self.versions.insert(line, version);
        let rest = self.drive.feed(line, &bytes(version, connect.into()));
        let mut output = match rest {
            Some(rest) => rest,
            None => self.drive.lines.get_mut(&line).unwrap().output.split(),
        };
        match read(version, &mut output).into_iter().next() {
            Some(v5::Packet::ConnectAck(ack)) => (line, ack),
            other => panic!("no CONNACK but {other:?}"),
        }
    }

    pub(super) fn connect(&mut self, version: Version, connect: v5::Connect) -> ConnectionId {
        let (line, ack) = self.try_connect(version, connect);
        assert_eq!(ack.reason_code, v5::ConnectAckReason::Success);
        line
    }

    /// Sends a packet; false where the connection closed, with what came last in `last`.
    pub(super) fn send(&mut self, line: ConnectionId, packet: impl Into<v5::Packet>) {
        let last = self.send_last(line, packet);
        assert!(last.is_none(), "the connection closed: {last:?}");
        self.drive.check();
    }

    /// Sends a packet that may end the connection; if so, what the client reads to its end.
    pub(super) fn send_last(
        &mut self,
        line: ConnectionId,
        packet: impl Into<v5::Packet>,
    ) -> Option<Vec<v5::Packet>> {
        let version = self.versions[&line];
        let last = self.drive.feed(line, &bytes(version, packet.into()));
        self.drive.check();
        last.map(|mut last| read(version, &mut last))
    }

    /// Everything that came for a client, after what waits was written and acknowledged by us.
    pub(super) fn receive(&mut self, line: ConnectionId) -> Vec<v5::Packet> {
        self.drive.write();
        let version = self.versions[&line];
        read(version, &mut self.drive.lines.get_mut(&line).unwrap().output)
    }

    /// The publishes among it.
    pub(super) fn publishes(&mut self, line: ConnectionId) -> Vec<Publish> {
        let packets = self.receive(line).into_iter();
        packets
            .filter_map(|p| if let v5::Packet::Publish(p) = p { Some(*p) } else { None })
            .collect()
    }

    /// The publishes' payloads; those of QoS 1 are acknowledged.
    pub(super) fn texts(&mut self, line: ConnectionId) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let publishes = self.publishes(line);
            if publishes.is_empty() {
                return texts;
            }
            for publish in publishes {
                texts.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                if publish.qos == QoS::AtLeastOnce {
                    self.send(line, puback(publish.packet_id.unwrap()));
                }
            }
        }
    }

    pub(super) fn subscribe(
        &mut self,
        line: ConnectionId,
        filter: &str,
        options: v5::SubscriptionOptions,
    ) -> v5::SubscribeAckReason {
        self.subscribe_as(line, filter, options, None)
    }

    pub(super) fn subscribe_as(
        &mut self,
        line: ConnectionId,
        filter: &str,
        options: v5::SubscriptionOptions,
        number: Option<u32>,
    ) -> v5::SubscribeAckReason {
        let subscribe = v5::Subscribe {
            packet_id: id(1),
            id: number.and_then(NonZeroU32::new),
            user_properties: Vec::new(),
            topic_filters: vec![(filter.into(), options)],
        };
        self.send(line, subscribe);
        let version = self.versions[&line];
        let output = &mut self.drive.lines.get_mut(&line).unwrap().output;
        let packets = read(version, output);
        let ack = packets.into_iter().find_map(|packet| match packet {
            v5::Packet::SubscribeAck(ack) => Some(ack.status[0]),
            _ => None,
        });
        ack.unwrap()
    }

    pub(super) fn lose(&mut self, line: ConnectionId) {
        self.drive.close(line, Closed::Abnormal);
        self.drive.check();
    }

    pub(super) fn leave(&mut self, line: ConnectionId) {
        let last = self.send_last(line, v5::Disconnect::default());
        assert_eq!(last, Some(Vec::new()));
    }
}

pub(super) fn puback(packet: NonZeroU16) -> v5::Packet {
    v5::Packet::PublishAck(answer(packet, v5::PublishAckReason::Success))
}

pub(super) fn pubrec(packet: NonZeroU16) -> v5::Packet {
    v5::Packet::PublishReceived(answer(packet, v5::PublishAckReason::Success))
}

pub(super) fn pubrel(packet: NonZeroU16) -> v5::Packet {
    v5::Packet::PublishRelease(second(packet, v5::PublishAck2Reason::Success))
}

pub(super) fn pubcomp(packet: NonZeroU16) -> v5::Packet {
    v5::Packet::PublishComplete(second(packet, v5::PublishAck2Reason::Success))
}

/// A broker with one client of this version and one of MQTT 5 that publishes.
pub(super) fn pair(version: Version, limits: Limits) -> (Bench, ConnectionId, ConnectionId) {
    let mut bench = Bench::new(limits);
    let other = bench.connect(Version::V5, passing("other"));
    let line = bench.connect(version, staying("a"));
    (bench, line, other)
}

pub(super) fn with(publish: Publish, properties: v5::PublishProperties) -> Publish {
    Publish { properties: Some(properties), ..publish }
}

pub(super) fn told(last: Option<Vec<v5::Packet>>) -> v5::DisconnectReasonCode {
    match last.unwrap().pop().unwrap() {
        v5::Packet::Disconnect(disconnect) => disconnect.reason_code,
        other => panic!("{other:?}"),
    }
}

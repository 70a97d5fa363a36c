//! One connection to a broker, packet by packet.
//!
//! ```no_run
//! # use iot_testkit::mqtt::{Connect, Message, QoS};
//! # async fn example(broker: std::net::SocketAddr) -> Result<(), iot_testkit::mqtt::ClientError> {
//! let mut one = Connect::v5("one").session(60).open(broker).await?;
//! assert_eq!(one.subscribe("greetings/#", QoS::AtLeastOnce).await?, 1);
//! one.publish(Message::new("greetings/all", "hello")).await?; // its PUBACK comes by `recv`
//! assert_eq!(one.expect_message().await?.text(), "hello");
//! # Ok(()) }
//! ```

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use rmqtt_codec::v5::{
    Disconnect, DisconnectReasonCode, PublishAck, PublishAck2, PublishAck2Reason, PublishAckReason,
    Subscribe, SubscriptionOptions, Unsubscribe,
};
use rmqtt_codec::{MqttCodec, MqttPacket, types::QoS, v3, v5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::connect::{Connack, Connect, Version};
use super::error::ClientError;
use super::packet::{Message, Packet};

/// What a broker on a busy machine is given for an answer.
pub(super) const WITHIN: Duration = Duration::from_secs(30);

/// A client on one connection. Dropped, it is gone without a word.
#[derive(Debug)]
pub struct Client {
    pub(super) stream: TcpStream,
    pub(super) version: Version,
    codec: MqttCodec,
    pub(super) inward: BytesMut,
    pub(super) outward: BytesMut,
    manual: bool,
    last_id: u16,
    connack: Connack,
    /// What came while something else was waited for.
    waiting: VecDeque<Packet>,
    /// The topics that the broker has given a number.
    aliases: HashMap<u16, String>,
    /// Why the broker said that it ends the connection.
    parting: Option<u8>,
}

impl Client {
    pub(super) async fn open(connect: Connect, broker: SocketAddr) -> Result<Self, ClientError> {
        let socket = if broker.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = connect.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = in_time("the broker's socket", socket.connect(broker)).await??;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            version: connect.version,
            codec: connect.version.codec(),
            inward: BytesMut::new(),
            outward: BytesMut::new(),
            manual: connect.manual,
            last_id: 0,
            connack: Connack::of_v5(&v5::ConnectAck::default()),
            waiting: VecDeque::new(),
            aliases: HashMap::new(),
            parting: None,
        };
        client.encode(connect.to_packet())?;
        client.flush().await?;
        match client.recv().await? {
            Packet::Connack(connack) if connack.code == 0 => client.connack = connack,
            Packet::Connack(connack) => return Err(ClientError::Refused(connack.code)),
            other => return Err(ClientError::Protocol(format!("{other:?} before CONNACK"))),
        }
        Ok(client)
    }

    /// The broker's welcome.
    #[must_use]
    pub fn connack(&self) -> &Connack {
        &self.connack
    }

    /// Publishes `message` and does not wait for an answer. Gives its packet id, of QoS 1 and 2.
    ///
    /// # Errors
    ///
    /// When it cannot be sent.
    pub async fn publish(&mut self, message: Message) -> Result<Option<u16>, ClientError> {
        let id = self.queue(message)?;
        self.flush().await?;
        Ok(id)
    }

    /// [`publish`](Self::publish), to be sent by the next [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// When it is no MQTT message.
    pub fn queue(&mut self, mut message: Message) -> Result<Option<u16>, ClientError> {
        if message.qos == QoS::AtMostOnce {
            message.packet_id = None;
        } else if message.packet_id.is_none() {
            message.packet_id = Some(self.next_id().get());
        }
        let publish = Box::new(message.to_publish());
        self.encode(match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::Publish(publish)),
            Version::V5 => MqttPacket::V5(v5::Packet::Publish(publish)),
        })?;
        Ok(message.packet_id)
    }

    /// Sends what is queued.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the broker takes nothing for a long time.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        let sent = in_time("the broker to take what is sent", async {
            self.stream.write_all_buf(&mut self.outward).await
        });
        Ok(sent.await??)
    }

    /// Publishes `message` and waits until it is the broker's; gives the reason code, which is 0 or
    /// 0x10 where all is well. Other packets wait.
    ///
    /// # Errors
    ///
    /// When the connection ends or no answer comes.
    pub async fn publish_and_wait(&mut self, message: Message) -> Result<u8, ClientError> {
        let Some(mine) = self.publish(message).await? else { return Ok(0) };
        self.find("the message's answer", |packet| match packet {
            Packet::Puback { id, code } | Packet::Pubcomp { id, code } if *id == mine => {
                Some(*code)
            }
            Packet::Pubrec { id, code } if *id == mine && *code >= 0x80 => Some(*code),
            _ => None,
        })
        .await
    }

    /// The next packet. A message of QoS 1 is answered, and the steps of QoS 2 are taken, unless
    /// [`Connect::manual_acks`] was said.
    ///
    /// # Errors
    ///
    /// When the connection ends or nothing comes.
    pub async fn recv(&mut self) -> Result<Packet, ClientError> {
        self.recv_within(WITHIN)
            .await?
            .ok_or(ClientError::TimedOut { what: "a packet", waited: WITHIN })
    }

    /// The next packet, if one comes in time.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub async fn recv_within(&mut self, time: Duration) -> Result<Option<Packet>, ClientError> {
        if let Some(packet) = self.waiting.pop_front() {
            return Ok(Some(packet));
        }
        self.read(Instant::now() + time).await
    }

    /// The next message. What else comes before it is dropped.
    ///
    /// # Errors
    ///
    /// When the connection ends or no message comes.
    pub async fn expect_message(&mut self) -> Result<Message, ClientError> {
        let end = Instant::now() + WITHIN;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.recv_within(left).await? {
                Some(Packet::Publish(message)) => return Ok(message),
                Some(_) => {}
                None => return Err(ClientError::TimedOut { what: "a message", waited: WITHIN }),
            }
        }
    }

    /// The next message, if one comes in time. What else comes before it is dropped.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub async fn message_within(&mut self, time: Duration) -> Result<Option<Message>, ClientError> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.recv_within(left).await? {
                Some(Packet::Publish(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits until the broker ends the connection and gives the reason that it said, in MQTT 5.
    /// What comes before is dropped.
    ///
    /// # Errors
    ///
    /// When it goes on.
    pub async fn expect_end(&mut self) -> Result<Option<u8>, ClientError> {
        let end = Instant::now() + WITHIN;
        self.waiting.clear();
        loop {
            match self.read(end).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err(ClientError::TimedOut { what: "an end", waited: WITHIN }),
                Err(ClientError::Closed(reason)) => return Ok(reason),
                Err(ClientError::Io(_)) => return Ok(self.parting),
                Err(other) => return Err(other),
            }
        }
    }

    /// Subscribes and gives the answer: the QoS granted, or from 0x80 on why not. Other packets
    /// wait.
    ///
    /// # Errors
    ///
    /// When the connection ends or no answer comes.
    pub async fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<u8, ClientError> {
        self.subscribe_with(filter, SubscriptionOptions { qos, ..Default::default() }).await
    }

    /// [`subscribe`](Self::subscribe) with the options of MQTT 5.
    ///
    /// # Errors
    ///
    /// When the connection ends or no answer comes.
    pub async fn subscribe_with(
        &mut self,
        filter: &str,
        options: SubscriptionOptions,
    ) -> Result<u8, ClientError> {
        let packet_id = self.next_id();
        let filter = ByteString::from(filter);
        self.send(match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::Subscribe {
                packet_id,
                topic_filters: vec![(filter, options.qos)],
            }),
            Version::V5 => MqttPacket::V5(v5::Packet::Subscribe(Subscribe {
                packet_id,
                id: None,
                user_properties: Vec::new(),
                topic_filters: vec![(filter, options)],
            })),
        })
        .await?;
        self.find("SUBACK", |packet| match packet {
            Packet::Suback { id, codes } if *id == packet_id.get() => codes.first().copied(),
            _ => None,
        })
        .await
    }

    /// Ends a subscription and waits until the broker says so. Other packets wait.
    ///
    /// # Errors
    ///
    /// When the connection ends or no answer comes.
    pub async fn unsubscribe(&mut self, filter: &str) -> Result<(), ClientError> {
        let packet_id = self.next_id();
        let topic_filters = vec![ByteString::from(filter)];
        self.send(match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::Unsubscribe { packet_id, topic_filters }),
            Version::V5 => MqttPacket::V5(v5::Packet::Unsubscribe(Unsubscribe {
                packet_id,
                user_properties: Vec::new(),
                topic_filters,
            })),
        })
        .await?;
        self.find("UNSUBACK", |packet| match packet {
            Packet::Unsuback { id, .. } if *id == packet_id.get() => Some(()),
            _ => None,
        })
        .await
    }

    /// Pings and waits for the answer: what was sent before it has been read. Other packets wait.
    ///
    /// # Errors
    ///
    /// When the connection ends or no answer comes.
    pub async fn ping(&mut self) -> Result<(), ClientError> {
        self.send(match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::PingRequest),
            Version::V5 => MqttPacket::V5(v5::Packet::PingRequest),
        })
        .await?;
        self.find("PINGRESP", |packet| matches!(packet, Packet::Pingresp).then_some(())).await
    }

    /// Sends `bytes` as they are.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.outward.extend_from_slice(bytes);
        self.flush().await
    }

    /// Answers a message of QoS 1.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn puback(&mut self, id: u16) -> Result<(), ClientError> {
        self.answer(0x40, id)?;
        self.flush().await
    }

    /// Takes a message of QoS 2.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn pubrec(&mut self, id: u16) -> Result<(), ClientError> {
        self.answer(0x50, id)?;
        self.flush().await
    }

    /// Will not send a message of QoS 2 again.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn pubrel(&mut self, id: u16) -> Result<(), ClientError> {
        self.answer(0x62, id)?;
        self.flush().await
    }

    /// Is done with a message of QoS 2.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn pubcomp(&mut self, id: u16) -> Result<(), ClientError> {
        self.answer(0x70, id)?;
        self.flush().await
    }

    /// Takes its leave, so that no will is published.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn disconnect(mut self) -> Result<(), ClientError> {
        self.send(match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::Disconnect),
            Version::V5 => MqttPacket::V5(v5::Packet::Disconnect(Disconnect {
                reason_code: DisconnectReasonCode::NormalDisconnection,
                session_expiry_interval_secs: None,
                server_reference: None,
                reason_string: None,
                user_properties: Vec::new(),
            })),
        })
        .await?;
        self.stream.shutdown().await?;
        Ok(())
    }

    /// Resets the connection, as a machine without power does when it is back.
    ///
    /// # Errors
    ///
    /// When the socket is gone already.
    pub fn reset(self) -> Result<(), ClientError> {
        Ok(self.stream.set_zero_linger()?)
    }

    fn next_id(&mut self) -> NonZeroU16 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        NonZeroU16::new(self.last_id).unwrap_or(NonZeroU16::MIN)
    }

    fn encode(&mut self, packet: MqttPacket) -> Result<(), ClientError> {
        self.codec
            .encode(packet, &mut self.outward)
            .map_err(|error| ClientError::Unsendable(error.to_string()))
    }

    async fn send(&mut self, packet: MqttPacket) -> Result<(), ClientError> {
        self.encode(packet)?;
        self.flush().await
    }

    /// Queues one of the four answers, by its first byte.
    fn answer(&mut self, kind: u8, id: u16) -> Result<(), ClientError> {
        let packet_id =
            NonZeroU16::new(id).ok_or_else(|| ClientError::Unsendable("packet id 0".to_owned()))?;
        let ack = || PublishAck {
            packet_id,
            reason_code: PublishAckReason::Success,
            properties: Vec::new(),
            reason_string: None,
        };
        let ack2 = || PublishAck2 {
            packet_id,
            reason_code: PublishAck2Reason::Success,
            properties: Vec::new(),
            reason_string: None,
        };
        self.encode(match (self.version, kind) {
            (Version::V3, 0x40) => MqttPacket::V3(v3::Packet::PublishAck { packet_id }),
            (Version::V3, 0x50) => MqttPacket::V3(v3::Packet::PublishReceived { packet_id }),
            (Version::V3, 0x62) => MqttPacket::V3(v3::Packet::PublishRelease { packet_id }),
            (Version::V3, _) => MqttPacket::V3(v3::Packet::PublishComplete { packet_id }),
            (Version::V5, 0x40) => MqttPacket::V5(v5::Packet::PublishAck(ack())),
            (Version::V5, 0x50) => MqttPacket::V5(v5::Packet::PublishReceived(ack())),
            (Version::V5, 0x62) => MqttPacket::V5(v5::Packet::PublishRelease(ack2())),
            (Version::V5, _) => MqttPacket::V5(v5::Packet::PublishComplete(ack2())),
        })
    }

    /// Reads on until `wanted` finds its packet; the others wait in order.
    async fn find<T>(
        &mut self,
        what: &'static str,
        wanted: impl Fn(&Packet) -> Option<T>,
    ) -> Result<T, ClientError> {
        let end = Instant::now() + WITHIN;
        loop {
            let Some(packet) = self.read(end).await? else {
                return Err(ClientError::TimedOut { what, waited: WITHIN });
            };
            if let Some(found) = wanted(&packet) {
                return Ok(found);
            }
            self.waiting.push_back(packet);
        }
    }

    /// The next packet from the socket, before `end`.
    async fn read(&mut self, end: Instant) -> Result<Option<Packet>, ClientError> {
        loop {
            let decoded = self
                .codec
                .decode(&mut self.inward)
                .map_err(|error| ClientError::Protocol(error.to_string()))?;
            if let Some((packet, _)) = decoded {
                return self.take(Packet::from(packet)).await.map(Some);
            }
            match timeout_at(end, self.stream.read_buf(&mut self.inward)).await {
                Err(_) => return Ok(None),
                Ok(Ok(0)) => return Err(ClientError::Closed(self.parting)),
                Ok(read) => read?,
            };
        }
    }

    /// Does what a client does with a packet, before the test sees it.
    async fn take(&mut self, mut packet: Packet) -> Result<Packet, ClientError> {
        if let Packet::Publish(message) = &mut packet
            && let Some(alias) = message.properties.topic_alias
        {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(&alias.get()).cloned().ok_or_else(|| {
                    ClientError::Protocol(format!("topic alias {alias} means nothing"))
                })?;
            } else {
                self.aliases.insert(alias.get(), message.topic.clone());
            }
        }
        if let Packet::Disconnect { code } = packet {
            self.parting = Some(code);
        }
        if self.manual {
            return Ok(packet);
        }
        match &packet {
            Packet::Publish(Message { qos: QoS::AtLeastOnce, packet_id: Some(id), .. }) => {
                self.answer(0x40, *id)?;
            }
            Packet::Publish(Message { qos: QoS::ExactlyOnce, packet_id: Some(id), .. }) => {
                self.answer(0x50, *id)?;
            }
            Packet::Pubrec { id, code } if *code < 0x80 => self.answer(0x62, *id)?,
            Packet::Pubrel { id, .. } => self.answer(0x70, *id)?,
            _ => return Ok(packet),
        }
        self.flush().await?;
        Ok(packet)
    }
}

async fn in_time<T>(what: &'static str, work: impl Future<Output = T>) -> Result<T, ClientError> {
    timeout(WITHIN, work).await.map_err(|_| ClientError::TimedOut { what, waited: WITHIN })
}

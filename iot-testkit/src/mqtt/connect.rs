//! How a client introduces itself, and what the broker answers.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::{MQTT_LEVEL_311, Protocol};
use rmqtt_codec::{MqttCodec, MqttPacket, v3, v5};

use super::client::Client;
use super::error::ClientError;
use super::packet::Message;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.
    V5,
}

impl Version {
    /// Both, for tests of both.
    pub const BOTH: [Self; 2] = [Self::V3, Self::V5];

    pub(super) fn codec(self) -> MqttCodec {
        match self {
            Self::V3 => MqttCodec::V3(v3::Codec::new(0)),
            Self::V5 => MqttCodec::V5(v5::Codec::new(0, 0)),
        }
    }
}

/// What the broker says in a client's stead when the client is gone without a word.
#[derive(Debug, Clone)]
pub struct Will {
    /// The message; of its properties those that a will has.
    pub message: Message,
    /// How many seconds later, in MQTT 5.
    pub delay: Option<u32>,
}

/// A connection to be made. What only MQTT 5 has is passed over in 3.1.1.
#[derive(Debug, Clone)]
pub struct Connect {
    pub(super) version: Version,
    client_id: String,
    clean: bool,
    keep_alive: u16,
    will: Option<Will>,
    user: Option<String>,
    password: Option<Bytes>,
    session_expiry: u32,
    receive_maximum: Option<NonZeroU16>,
    maximum_packet_size: Option<NonZeroU32>,
    topic_alias_maximum: u16,
    pub(super) receive_buffer: Option<u32>,
    pub(super) manual: bool,
}

impl Connect {
    /// A clean session of this id without keep-alive, will or credential.
    pub fn new(version: Version, client_id: impl Into<String>) -> Self {
        Self {
            version,
            client_id: client_id.into(),
            clean: true,
            keep_alive: 0,
            will: None,
            user: None,
            password: None,
            session_expiry: 0,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            receive_buffer: None,
            manual: false,
        }
    }

    /// [`new`](Self::new) of MQTT 3.1.1.
    pub fn v3(client_id: impl Into<String>) -> Self {
        Self::new(Version::V3, client_id)
    }

    /// [`new`](Self::new) of MQTT 5.
    pub fn v5(client_id: impl Into<String>) -> Self {
        Self::new(Version::V5, client_id)
    }

    /// Goes on with the session that the broker has of this id, and has it kept: in MQTT 5 for so
    /// many seconds, in 3.1.1 for as long as the broker likes.
    #[must_use]
    pub fn session(mut self, expiry: u32) -> Self {
        self.clean = false;
        self.session_expiry = expiry;
        self
    }

    /// Whether what the broker has of a session is to be forgotten.
    #[must_use]
    pub fn clean(mut self, clean: bool) -> Self {
        self.clean = clean;
        self
    }

    /// How many seconds the broker has the session kept, in MQTT 5.
    #[must_use]
    pub fn session_expiry(mut self, seconds: u32) -> Self {
        self.session_expiry = seconds;
        self
    }

    /// Promises a packet at least every so many seconds. The client does not keep it by itself.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Leaves a will.
    #[must_use]
    pub fn will(mut self, message: Message) -> Self {
        self.will = Some(Will { message, delay: None });
        self
    }

    /// Leaves a will that comes so many seconds later, in MQTT 5.
    #[must_use]
    pub fn delayed_will(mut self, message: Message, seconds: u32) -> Self {
        self.will = Some(Will { message, delay: Some(seconds) });
        self
    }

    /// Says who it is.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<Bytes>) -> Self {
        self.user = Some(name.into());
        self.password = Some(password.into());
        self
    }

    /// Takes at most so many messages of QoS 1 and 2 that it has not answered, in MQTT 5.
    #[must_use]
    pub fn receive_maximum(mut self, messages: u16) -> Self {
        self.receive_maximum = NonZeroU16::new(messages);
        self
    }

    /// Takes no larger packets, in MQTT 5.
    #[must_use]
    pub fn maximum_packet_size(mut self, bytes: u32) -> Self {
        self.maximum_packet_size = NonZeroU32::new(bytes);
        self
    }

    /// Understands so many aliases of topics, in MQTT 5.
    #[must_use]
    pub fn topic_alias_maximum(mut self, aliases: u16) -> Self {
        self.topic_alias_maximum = aliases;
        self
    }

    /// Has the system keep about so many unread bytes, so that a client that does not read is soon
    /// full.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Answers no message by itself: the test says [`Client::puback`] and its like.
    #[must_use]
    pub fn manual_acks(mut self) -> Self {
        self.manual = true;
        self
    }

    /// Connects to `broker` and waits for its welcome.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, refuses, or does not answer in time.
    pub async fn open(self, broker: SocketAddr) -> Result<Client, ClientError> {
        Client::open(self, broker).await
    }

    pub(super) fn to_packet(&self) -> MqttPacket {
        match self.version {
            Version::V3 => MqttPacket::V3(self.to_v3().into()),
            Version::V5 => MqttPacket::V5(self.to_v5().into()),
        }
    }

    fn to_v3(&self) -> v3::Connect {
        v3::Connect {
            protocol: Protocol(MQTT_LEVEL_311),
            clean_session: self.clean,
            keep_alive: self.keep_alive,
            last_will: self.will.as_ref().map(|Will { message, .. }| v3::LastWill {
                qos: message.qos,
                retain: message.retain,
                topic: message.topic.as_str().into(),
                message: message.payload.clone(),
            }),
            client_id: self.client_id.as_str().into(),
            username: self.user.as_deref().map(ByteString::from),
            password: self.password.clone(),
            cert: None,
        }
    }

    fn to_v5(&self) -> v5::Connect {
        v5::Connect {
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            session_expiry_interval_secs: self.session_expiry,
            auth_method: None,
            auth_data: None,
            request_problem_info: true,
            request_response_info: false,
            receive_max: self.receive_maximum,
            topic_alias_max: self.topic_alias_maximum,
            user_properties: Vec::new(),
            max_packet_size: self.maximum_packet_size,
            last_will: self.will.as_ref().map(|Will { message, delay }| {
                let properties = message.properties.clone();
                v5::LastWill {
                    qos: message.qos,
                    retain: message.retain,
                    topic: message.topic.as_str().into(),
                    message: message.payload.clone(),
                    will_delay_interval_sec: *delay,
                    correlation_data: properties.correlation_data,
                    message_expiry_interval: properties.message_expiry_interval,
                    content_type: properties.content_type,
                    user_properties: properties.user_properties,
                    is_utf8_payload: properties.is_utf8_payload.then_some(true),
                    response_topic: properties.response_topic,
                }
            }),
            client_id: self.client_id.as_str().into(),
            username: self.user.as_deref().map(ByteString::from),
            password: self.password.clone(),
            cert: None,
        }
    }
}

/// A broker's welcome, or why it is none. In 3.1.1 all but the first two are MQTT 5's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connack {
    /// 0, or why not.
    pub code: u8,
    /// Whether it goes on with an older session.
    pub session_present: bool,
    /// How many unanswered messages the broker takes.
    pub receive_maximum: u16,
    /// The largest packet that the broker takes.
    pub maximum_packet_size: Option<u32>,
    /// How many aliases of topics the broker understands.
    pub topic_alias_maximum: u16,
    /// The keep-alive that the broker wants instead.
    pub server_keep_alive: Option<u16>,
    /// How long the broker keeps the session, where it is not what was asked for.
    pub session_expiry: Option<u32>,
    /// The id that the broker gave to a client without.
    pub assigned_client_id: Option<String>,
}

impl Connack {
    pub(super) fn of_v3(ack: v3::ConnectAck) -> Self {
        Self {
            code: ack.return_code.into(),
            session_present: ack.session_present,
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            server_keep_alive: None,
            session_expiry: None,
            assigned_client_id: None,
        }
    }

    pub(super) fn of_v5(ack: &v5::ConnectAck) -> Self {
        Self {
            code: ack.reason_code.into(),
            session_present: ack.session_present,
            receive_maximum: ack.receive_max.get(),
            maximum_packet_size: ack.max_packet_size,
            topic_alias_maximum: ack.topic_alias_max,
            server_keep_alive: ack.server_keepalive_sec,
            session_expiry: ack.session_expiry_interval_secs,
            assigned_client_id: ack.assigned_client_id.as_ref().map(ToString::to_string),
        }
    }
}

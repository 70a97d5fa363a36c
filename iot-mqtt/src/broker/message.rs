//! A message as the broker keeps it: its own copy, so that a few bytes of a payload do not keep a
//! whole read buffer alive.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{LastWill, PublishProperties};
use tokio::time::Instant;

/// What a message occupies beside its texts: its struct, counters and a place in a queue.
const OVERHEAD: usize = 192;

/// A message on its way to subscribers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: ByteString,
    pub(crate) payload: Bytes,
    /// With which it was published; a subscription may lower it.
    pub(crate) qos: QoS,
    /// Whether it was published as one to keep.
    pub(crate) retain: bool,
    /// What MQTT 5 passes on: never an alias, subscription ids or a lifetime. Boxed, because most
    /// messages have none.
    pub(crate) properties: Option<Box<PublishProperties>>,
    /// When it is worth nothing any more.
    pub(crate) expires: Option<Instant>,
}

impl Message {
    /// The broker's copy of what a client published.
    #[must_use]
    pub(crate) fn of(publish: &Publish, now: Instant) -> Self {
        let mut message = Self {
            topic: own_text(&publish.topic),
            payload: own(&publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            properties: None,
            expires: None,
        };
        if let Some(properties) = &publish.properties {
            message.expires = expires(properties.message_expiry_interval, now);
            message.properties = passed_on(properties);
        }
        message
    }

    /// A message without properties, such as the gateway publishes by itself.
    #[must_use]
    pub(crate) fn plain(topic: ByteString, payload: Bytes, qos: QoS, retain: bool) -> Self {
        Self { topic, payload, qos, retain, properties: None, expires: None }
    }

    /// What it may occupy in memory.
    #[must_use]
    pub(crate) fn cost(&self) -> usize {
        let properties = self.properties.as_deref().map_or(0, |p| {
            let user: usize = p.user_properties.iter().map(|(k, v)| k.len() + v.len() + 64).sum();
            let len = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
            size_of::<PublishProperties>()
                + user
                + len(&p.content_type)
                + len(&p.response_topic)
                + p.correlation_data.as_ref().map_or(0, Bytes::len)
        });
        OVERHEAD + self.topic.len() + self.payload.len() + properties
    }

    /// Whether its lifetime is over.
    #[must_use]
    pub(crate) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// What is left of its lifetime, in whole seconds, as the receiver is told: never 0, which the
    /// protocol does not know.
    #[must_use]
    pub(crate) fn lifetime(&self, now: Instant) -> Option<NonZeroU32> {
        let left = self.expires?.saturating_duration_since(now);
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX)).or(NonZeroU32::new(1))
    }
}

/// A message for one client: how it goes to this one.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The subscription identifiers of MQTT 5 that it answers.
    pub(crate) ids: Vec<NonZeroU32>,
}

/// What a client left to be published when it goes without a word.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    /// The owner that was given when the client connected.
    pub(crate) owner: Arc<str>,
    /// What to publish.
    pub(crate) message: Message,
}

impl Will {
    /// The broker's copy of a CONNECT's will. Its lifetime begins when it is published.
    #[must_use]
    pub(crate) fn of(owner: Arc<str>, will: &LastWill) -> Self {
        let properties = PublishProperties {
            correlation_data: will.correlation_data.clone(),
            content_type: will.content_type.clone(),
            user_properties: will.user_properties.clone(),
            is_utf8_payload: will.is_utf8_payload.unwrap_or(false),
            response_topic: will.response_topic.clone(),
            ..PublishProperties::default()
        };
        let message = Message {
            topic: own_text(&will.topic),
            payload: own(&will.message),
            qos: will.qos,
            retain: will.retain,
            properties: passed_on(&properties),
            expires: None,
        };
        Self { owner, message }
    }
}

/// When a lifetime that begins now ends.
pub(super) fn expires(seconds: Option<NonZeroU32>, now: Instant) -> Option<Instant> {
    now.checked_add(Duration::from_secs(u64::from(seconds?.get())))
}

fn passed_on(given: &PublishProperties) -> Option<Box<PublishProperties>> {
    let nothing = !given.is_utf8_payload
        && given.correlation_data.is_none()
        && given.content_type.is_none()
        && given.response_topic.is_none()
        && given.user_properties.is_empty();
    if nothing {
        return None;
    }
    let user = given.user_properties.iter().map(|(k, v)| (own_text(k), own_text(v)));
    Some(Box::new(PublishProperties {
        topic_alias: None,
        correlation_data: given.correlation_data.as_ref().map(own),
        message_expiry_interval: None,
        content_type: given.content_type.as_ref().map(own_text),
        user_properties: user.collect(),
        is_utf8_payload: given.is_utf8_payload,
        response_topic: given.response_topic.as_ref().map(own_text),
        subscription_ids: Vec::new(),
    }))
}

/// A copy that holds nothing else alive.
pub(super) fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A copy that holds nothing else alive.
pub(super) fn own_text(text: &ByteString) -> ByteString {
    ByteString::from(text.to_string())
}

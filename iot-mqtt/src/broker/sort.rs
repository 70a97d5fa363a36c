//! What is done with each publish: readings go to intake, commands to the dispatcher, the rest to
//! whoever subscribed. One read of a socket is sorted as one, so that its readings are one batch.

use std::time::Duration;

use bytestring::ByteString;
use iot_core::domain::{Batch, DeviceId, Home};
use iot_core::format::flat;
use iot_core::gateway::Inlet;
use iot_core::ledger::Refusal;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::PublishAckReason;

use super::commands::{Asked, Response};
use super::hub::Hub;
use super::rights::{Client, Verdict};
use crate::command;
use crate::topic::{Purpose, Topic};

/// What a publish comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Whether subscribers get it.
    pub(crate) routed: bool,
    /// What its sender is told, in MQTT 5; it is acknowledged in any case.
    pub(crate) reason: PublishAckReason,
}

const ROUTED: Fate = Fate { routed: true, reason: PublishAckReason::Success };
const DONE: Fate = Fate { routed: false, reason: PublishAckReason::Success };

fn dropped(reason: PublishAckReason) -> Fate {
    Fate { routed: false, reason }
}

/// Sorts publishes of one client, and gathers what is to go to intake.
#[derive(Debug)]
pub(crate) struct Sorter {
    /// Readings since they were last taken out.
    pub(crate) batch: Batch,
    /// Whether a sender of some of them waits for the commit.
    pub(crate) waits: bool,
    /// The last topic: a device sends many messages to one.
    last: Option<(ByteString, Topic)>,
}

impl Sorter {
    pub(crate) fn new() -> Self {
        Self { batch: Batch::new(), waits: false, last: None }
    }

    /// Decides on a publish, and does what needs no waiting.
    pub(crate) fn sort(
        &mut self,
        hub: &Hub,
        inlet: &Inlet,
        client: &Client,
        publish: &Publish,
    ) -> Fate {
        let topic = self.topic(&publish.topic);
        if client.may_publish(&topic, &publish.topic) == Verdict::Denied {
            hub.refuse(&publish.topic, Refusal::NotAllowed, &publish.payload);
            return dropped(PublishAckReason::NotAuthorized);
        }
        match topic {
            Topic::Other => ROUTED,
            Topic::BadDevice(_) => {
                hub.refuse(&publish.topic, Refusal::BadName, &publish.payload);
                dropped(PublishAckReason::TopicNameInvalid)
            }
            Topic::Device(device, purpose) => match purpose {
                Purpose::Data => self.data(hub, publish, &device),
                Purpose::Commands => ask(hub, client, publish, device),
                Purpose::Status => status(hub, inlet, publish, &device),
                Purpose::Result => result(hub, publish, &device),
                // Denied above.
                Purpose::Info => DONE,
            },
        }
    }

    fn topic(&mut self, name: &ByteString) -> Topic {
        if let Some((last, topic)) = &self.last
            && last == name
        {
            return topic.clone();
        }
        let topic = Topic::parse(name);
        // A copy, for the name lies in the read buffer.
        self.last = Some((ByteString::from(name.to_string()), topic.clone()));
        topic
    }

    fn data(&mut self, hub: &Hub, publish: &Publish, device: &DeviceId) -> Fate {
        if publish.retain {
            // Kept for later, it is no reading: it would be taken in anew at each start.
            if !publish.payload.is_empty() {
                hub.refuse(&publish.topic, Refusal::Retained, &publish.payload);
            }
            return ROUTED;
        }
        match flat::read(&publish.payload, device, &mut self.batch) {
            Ok(read) => {
                self.waits |= publish.qos != QoS::AtMostOnce;
                hub.count_unread(&read);
                // What comes back by a loop is not handed on; intake counts its readings.
                if hub.anyone_subscribed() && !speaks_here(hub, device) { DONE } else { ROUTED }
            }
            Err(error) => {
                tracing::debug!(%device, %error, "a payload could not be read");
                hub.refuse(&publish.topic, Refusal::Malformed, &publish.payload);
                dropped(PublishAckReason::PayloadFormatInvalid)
            }
        }
    }
}

/// Whether a device speaks for itself by the embedded broker, or may begin to.
fn speaks_here(hub: &Hub, device: &DeviceId) -> bool {
    hub.gateway.home(device).is_none_or(|home| home == Home::MqttListener)
}

fn ask(hub: &Hub, client: &Client, publish: &Publish, device: DeviceId) -> Fate {
    if publish.retain {
        // Never run, and never kept: it would be handed to the device at each of its connects.
        if !publish.payload.is_empty() {
            hub.refuse(&publish.topic, Refusal::Retained, &publish.payload);
        }
        return DONE;
    }
    let asked = Asked {
        who: client.principal.clone(),
        device,
        payload: bytes::Bytes::copy_from_slice(&publish.payload),
        response: Response::of(publish.properties.as_ref(), client),
        again: publish.dup,
        lifetime: publish.properties.as_ref().and_then(|properties| {
            let seconds = properties.message_expiry_interval?.get();
            Some(Duration::from_secs(u64::from(seconds)))
        }),
    };
    if let Err(response) = hub.commands.put(asked) {
        hub.refuse(&publish.topic, Refusal::NoCredit, &publish.payload);
        let why = "too many commands are not over; try again when some are";
        hub.respond(response, command::refusal(None, why));
        return dropped(PublishAckReason::QuotaExceeded);
    }
    DONE
}

fn status(hub: &Hub, inlet: &Inlet, publish: &Publish, device: &DeviceId) -> Fate {
    if !speaks_here(hub, device) {
        hub.refuse(&publish.topic, Refusal::NotHome, &publish.payload);
        return DONE;
    }
    match publish.payload.as_ref() {
        b"online" => inlet.heard(device, true),
        b"offline" => inlet.heard(device, false),
        // Not a word of ours; whoever subscribed may know it.
        _ => false,
    };
    ROUTED
}

fn result(hub: &Hub, publish: &Publish, device: &DeviceId) -> Fate {
    if !speaks_here(hub, device) {
        hub.refuse(&publish.topic, Refusal::NotHome, &publish.payload);
        return DONE;
    }
    match command::outcome(&publish.payload) {
        Ok((id, outcome)) => {
            if !hub.waiters.answer(&id, device, outcome) {
                tracing::debug!(%device, command = %id, "nobody waits for this result");
            }
        }
        Err(error) => {
            tracing::debug!(%device, %error, "a result could not be read");
            hub.refuse(&publish.topic, Refusal::Malformed, &publish.payload);
        }
    }
    ROUTED
}

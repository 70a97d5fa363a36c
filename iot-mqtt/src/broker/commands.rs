//! Commands by the embedded broker: those that clients publish go to the gateway's dispatcher, and
//! those of the dispatcher to devices that listen here.
//!
//! - In: publishes on `devices/{device_id}/commands`, by whatever client may command
//! - Out: each to the dispatcher; its outcome to the device's result topic, where the gateway speaks
//!   for the device, and to the response topic that the asker named
//! - Bound: 256 commands that are not over
//! - When full: the command is refused in words
//! - Counter: `commands_open`; `refused{malformed, retained, not_allowed, no_credit}`

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use bytestring::ByteString;
use iot_core::domain::{Command, CommandId, CommandRecord, DeviceId, Home, Outcome, Principal};
use iot_core::gateway::Handle;
use iot_core::ledger::Refusal;
use iot_core::port::{CommandRoute, Unready};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::PublishProperties;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::message::Message;
use super::rights::Client;
use crate::command;
use crate::topic::{Filter, Purpose, may_answer_at};
use crate::waiters::Waiters;

/// The most commands that are not over.
const OPEN: usize = 256;

/// Where the asker wants to hear of the outcome.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    topic: ByteString,
    correlation: Option<Bytes>,
}

impl Response {
    /// What a publish of MQTT 5 says of it; none where it says nothing, or names a topic that its
    /// sender could not listen to, or at which the gateway would speak for somebody else.
    pub(crate) fn of(properties: Option<&PublishProperties>, client: &Client) -> Option<Self> {
        let properties = properties?;
        let topic = properties.response_topic.as_ref()?;
        let heard = Filter::parse(topic).is_ok_and(|filter| client.may_subscribe(&filter));
        if !heard || !may_answer_at("", topic) {
            return None;
        }
        // Copies: the read buffer is not kept for them.
        let correlation = properties.correlation_data.as_deref().map(Bytes::copy_from_slice);
        Some(Self { topic: ByteString::from(topic.to_string()), correlation })
    }
}

/// A command as a client published it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) who: Principal,
    pub(crate) device: DeviceId,
    pub(crate) payload: Bytes,
    pub(crate) response: Option<Response>,
    /// Whether its client may have sent it before.
    pub(crate) again: bool,
    /// How long its message is good.
    pub(crate) lifetime: Option<Duration>,
}

/// Takes commands that clients publish.
#[derive(Debug, Clone)]
pub(crate) struct Inbox(mpsc::Sender<Asked>);

/// What carries them out: the task's end of the inbox.
pub(crate) struct Desk {
    inbox: mpsc::Receiver<Asked>,
    hub: Arc<Hub>,
}

/// An inbox and its other end.
pub(crate) fn inbox() -> (Inbox, mpsc::Receiver<Asked>) {
    let (send, receive) = mpsc::channel(OPEN);
    (Inbox(send), receive)
}

impl Inbox {
    /// Hands a command on; where too many wait, gives back who wants to hear of it.
    pub(crate) fn put(&self, asked: Asked) -> Result<(), Option<Response>> {
        self.0.try_send(asked).map_err(|full| full.into_inner().response)
    }
}

impl Desk {
    pub(crate) fn new(inbox: mpsc::Receiver<Asked>, hub: Arc<Hub>) -> Self {
        Self { inbox, hub }
    }

    /// Runs until told to stop. What is not over then ends at the next start, as after a crash.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut open = HashSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(over) = running.join_next(), if !running.is_empty() => match over {
                    Ok(Some(id)) => {
                        open.remove(&id);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let error: tokio::task::JoinError = error;
                        tracing::error!(%error, "a command's task ended badly");
                    }
                },
                asked = self.inbox.recv(), if running.len() < OPEN => {
                    let Some(asked) = asked else { break };
                    self.begin(asked, &mut open, &mut running);
                }
            }
        }
        running.shutdown().await;
    }

    fn begin(
        &self,
        asked: Asked,
        open: &mut HashSet<CommandId>,
        running: &mut JoinSet<Option<CommandId>>,
    ) {
        let Asked { who, device, payload, response, again, lifetime } = asked;
        let mut request = match command::request(&payload, &device) {
            Ok(request) => request,
            Err(wrong) => {
                let topic = Purpose::Commands.of(&device);
                self.hub.refuse(&topic, Refusal::Malformed, &payload);
                let answer = command::refusal(wrong.id.as_ref(), &wrong.why);
                return self.hub.answer(&device, response, answer);
            }
        };
        if again && request.id.is_none() {
            self.hub.refuse(&Purpose::Commands.of(&device), Refusal::Repeated, &payload);
            let why = "it was delivered again and has no id: it may have run already";
            return self.hub.answer(&device, response, command::refusal(None, why));
        }
        if let Some(lifetime) = lifetime {
            request.timeout = Some(request.timeout.unwrap_or(command::USUAL).min(lifetime));
        }
        let id = request.id.get_or_insert_with(CommandId::fresh).clone();
        // The first of an id tells the device's result topic; a repeated one is not run again, and
        // only its own asker hears.
        let first = open.insert(id.clone());
        let hub = self.hub.clone();
        running.spawn(async move {
            let asked = hub.gateway.command(&who, request).await;
            let answer = match asked {
                Ok(record) if !first || record.state.is_over() => {
                    let topic = Purpose::Commands.of(&device);
                    hub.refuse(&topic, Refusal::Repeated, id.as_str().as_bytes());
                    if let Some(over) = over(&hub.gateway, record).await {
                        hub.respond(response, over);
                    }
                    return first.then_some(id);
                }
                Ok(record) => over(&hub.gateway, record).await,
                Err(error) => Some(command::refusal(Some(&id), &error.to_string())),
            };
            if let Some(answer) = answer {
                hub.answer(&device, response, answer);
            }
            first.then_some(id)
        });
    }
}

/// What is told of a command once it is over.
async fn over(gateway: &Handle, record: CommandRecord) -> Option<Vec<u8>> {
    let record =
        if record.state.is_over() { record } else { gateway.command_over(&record.id).await? };
    command::result(&record)
}

impl Hub {
    /// Tells an outcome where it is owed: on the device's result topic, unless the device speaks
    /// for itself there, and on the topic that the asker named. Of a device that is not known, it
    /// is the gateway that says so.
    fn answer(&self, device: &DeviceId, response: Option<Response>, outcome: Vec<u8>) {
        let outcome = Bytes::from(outcome);
        let ours = self.gateway.home(device).is_none_or(|home| home != Home::MqttListener);
        if ours {
            let topic = ByteString::from(Purpose::Result.of(device));
            self.publish(Message::plain(topic, outcome.clone(), QoS::AtLeastOnce, false));
        }
        self.respond(response, outcome.into());
    }

    /// Tells an outcome to who asked.
    pub(crate) fn respond(&self, response: Option<Response>, outcome: Vec<u8>) {
        let Some(Response { topic, correlation }) = response else { return };
        let properties = correlation.map(|data| {
            Box::new(PublishProperties { correlation_data: Some(data), ..Default::default() })
        });
        let plain = Message::plain(topic, outcome.into(), QoS::AtLeastOnce, false);
        self.publish(Message { properties, ..plain });
    }
}

/// The way of commands to devices that listen on the embedded broker. It is there before the broker
/// is, and refuses until then.
#[derive(Debug, Default)]
pub(crate) struct Route {
    hub: std::sync::OnceLock<Weak<Hub>>,
    waiters: Waiters,
}

impl Route {
    /// The broker is there.
    pub(crate) fn open(&self, hub: &Arc<Hub>) {
        // A layer is opened once.
        drop(self.hub.set(Arc::downgrade(hub)));
    }

    /// Devices' answers.
    pub(crate) fn waiters(&self) -> Waiters {
        self.waiters.clone()
    }

    fn hub(&self) -> Option<Arc<Hub>> {
        self.hub.get().and_then(Weak::upgrade)
    }
}

#[async_trait]
impl CommandRoute for Route {
    fn serves(&self, home: &Home) -> bool {
        *home == Home::MqttListener
    }

    fn takes_any(&self, _: &Home) -> bool {
        true
    }

    fn accepts(&self, _: &Home, device: &DeviceId) -> Result<(), Unready> {
        let Some(hub) = self.hub() else {
            return Err(Unready::No("the embedded broker is not there".to_owned()));
        };
        if hub.listens(&Purpose::Commands.of(device)) {
            return Ok(());
        }
        Err(Unready::Soon(format!("{device} is not connected, or does not listen to its commands")))
    }

    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        let Some(hub) = self.hub() else {
            return Outcome::TimedOut { may_have_run: false };
        };
        let answer = self.waiters.wait(command.id.clone(), command.device.clone());
        let topic = ByteString::from(Purpose::Commands.of(&command.device));
        let payload = Bytes::from(command::handed(&command));
        let message = Message::plain(topic, payload, QoS::AtLeastOnce, false);
        // A device that comes back later must not run what nobody waits for any more.
        let expires = Instant::now().checked_add(command.time_left);
        hub.publish(Message { expires, ..message });
        drop(hub);
        answer.get().await
    }
}

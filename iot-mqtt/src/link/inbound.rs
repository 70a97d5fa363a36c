//! What a link takes in: readings, devices' states, results and commands.
//!
//! - In: messages of one session, in the order they came
//! - Out: readings to intake, commands to the dispatcher, results to those who wait
//! - Bound: 256 messages that are not acknowledged, 128 commands whose end is waited for
//! - When full: nothing more is taken from the session, whose broker then holds back
//! - Counter: `refused{reason}`, and the newest refused messages
//!
//! A message is acknowledged when its readings are on disk, or its command is written down; one that
//! cannot be used is acknowledged too, for it would stall its sender. In the order they came, as the
//! protocol has it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use iot_core::domain::{Batch, DeviceId, Home};
use iot_core::format::flat;
use iot_core::gateway::{Handle, Inlet, Pending};
use iot_core::ledger::Refusal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{Ack, Client, Incoming};
use super::commands::{self, Reply, Route, Taken};
use super::config::LinkConfig;
use super::message::{Answer, Answered, Lost, Message, Outlet as _};
use crate::command;
use crate::topic::{Filter, Purpose, Topic};

/// Messages that are not acknowledged.
pub(super) const WINDOW: usize = 256;
/// Commands that are not over, and answers that were not brought to their sender.
const COMMANDS: usize = 128;

/// What a link takes in. It outlives sessions: a command that came in one may end in the next.
pub(crate) struct Inbound {
    gateway: Handle,
    inlet: Inlet,
    route: Arc<Route>,
    link: String,
    prefix: String,
    ingest: Vec<Filter>,
    commands: bool,
    /// Commands that are not over.
    /// Tasks, and not futures of this one: what waits for the store in them goes on while this loop
    /// waits for the store itself.
    running: JoinSet<Vec<Message>>,
    /// Answers that were not brought to their sender.
    answers: VecDeque<Message>,
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound").field("link", &self.link).finish_non_exhaustive()
    }
}

/// What is owed to the broker, once a message was dealt with.
type Owed = BoxFuture<'static, Option<Ack>>;

/// Publishes an answer, and waits for the broker's.
async fn publish(client: Client, message: Message) -> Answer {
    match client.publish(&message).await {
        Ok(answered) => answered.await,
        Err(Lost) => Answer::Lost,
    }
}

/// The answer that is waited for, if one is.
async fn next(answering: &mut Option<Answered>) -> Answer {
    match answering {
        Some(answering) => answering.await,
        None => std::future::pending().await,
    }
}

/// What has to happen before a message is acknowledged.
enum Dealt {
    /// Nothing.
    With,
    /// Its readings have to be on disk.
    Committing(Pending),
}

impl Inbound {
    pub(crate) fn new(gateway: &Handle, config: &LinkConfig, route: Arc<Route>) -> Self {
        Self {
            gateway: gateway.clone(),
            inlet: gateway.inlet(Home::Link(config.name.clone()), "mqtt"),
            route,
            link: config.name.clone(),
            prefix: config.prefix.clone(),
            ingest: config.ingest.clone(),
            commands: config.commands,
            running: JoinSet::new(),
            answers: VecDeque::new(),
        }
    }

    /// What has to be subscribed to.
    pub(crate) fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> = Vec::new();
        let mut add = |filter: &str| {
            let filter = format!("{}{filter}", self.prefix);
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        };
        for filter in &self.ingest {
            add(filter.as_str());
            // Whose readings are taken in is heard to come and go, and answers commands.
            if let Some(of) = filter.as_str().strip_suffix("/data") {
                add(&format!("{of}/status"));
                add(&format!("{of}/commands/result"));
            }
        }
        if self.commands {
            add("devices/+/commands");
        }
        filters
    }

    /// Takes in what a session brings, until it is lost.
    pub(crate) async fn run(
        &mut self,
        client: &Client,
        heard: &mut mpsc::Receiver<Incoming>,
    ) -> Lost {
        let mut owed: FuturesOrdered<Owed> = FuturesOrdered::new();
        let mut answering: Option<Answered> = None;
        loop {
            // Beside all else, never before it: the way out may be full until the way in is read.
            if answering.is_none()
                && let Some(answer) = self.answers.front()
            {
                answering = Some(publish(client.clone(), answer.clone()).boxed());
            }
            let busy = self.running.len() + self.answers.len() >= COMMANDS;
            tokio::select! {
                biased;
                Some(ack) = owed.next() => if let Some(ack) = ack {
                    client.acknowledge(ack).await;
                },
                answer = next(&mut answering) => {
                    answering = None;
                    match answer {
                        Answer::Acknowledged => drop(self.answers.pop_front()),
                        Answer::Refused(why) => {
                            tracing::warn!(link = self.link, why, "an answer is not taken");
                            self.answers.pop_front();
                        }
                        Answer::Lost => return Lost,
                    }
                },
                Some(over) = self.running.join_next() => match over {
                    Ok(messages) => self.answers.extend(messages),
                    Err(error) => {
                        tracing::error!(link = self.link, %error, "a command's task ended badly");
                    }
                },
                message = heard.recv(), if owed.len() < WINDOW && !busy => {
                    let Some(mut message) = message else { return Lost };
                    let ack = message.ack.take();
                    match self.deal(message, ack.is_some()).await {
                        Dealt::With => owed.push_back(std::future::ready(ack).boxed()),
                        Dealt::Committing(mut pending) => owed.push_back(
                            async move { pending.committed().await.ok().and(ack) }.boxed(),
                        ),
                    }
                },
            }
        }
    }

    fn refuse(&self, message: &Incoming, why: Refusal) -> Dealt {
        self.gateway.refuse(&format!("link:{}", self.link), &message.topic, why, &message.payload);
        Dealt::With
    }

    async fn deal(&mut self, message: Incoming, waits: bool) -> Dealt {
        let Some(name) = message.topic.strip_prefix(&self.prefix) else { return Dealt::With };
        let topic = Topic::parse(name);
        if message.oversized {
            return self.refuse(&message, Refusal::Oversized);
        }
        let ingest = self.ingest.iter().any(|filter| filter.matches(name));
        match topic {
            Topic::Device(device, Purpose::Data) if ingest => {
                self.readings(&device, &message, waits).await
            }
            Topic::Device(device, Purpose::Status) => {
                match &message.payload[..] {
                    b"online" => drop(self.inlet.heard(&device, true)),
                    b"offline" => drop(self.inlet.heard(&device, false)),
                    // What is kept there was taken away.
                    b"" => {}
                    _ => return self.refuse(&message, Refusal::Malformed),
                }
                Dealt::With
            }
            Topic::Device(device, Purpose::Result) => self.result(&device, &message),
            Topic::Device(device, Purpose::Commands) if self.commands => {
                self.command(&device, &message).await;
                Dealt::With
            }
            Topic::BadDevice(_) => self.refuse(&message, Refusal::BadName),
            // Not asked for, or of no meaning here: `#` brings all sorts of things.
            Topic::Device(..) | Topic::Other => Dealt::With,
        }
    }

    async fn readings(&mut self, device: &DeviceId, message: &Incoming, waits: bool) -> Dealt {
        let home = self.gateway.home(device);
        // The gateway's own publications come back: they are neither new nor wrong.
        if home.is_some_and(|home| home != *self.inlet.home()) {
            self.gateway.count_refused(Refusal::NotHome, 1);
            return Dealt::With;
        }
        if message.retained {
            return self.refuse(message, Refusal::Retained);
        }
        let mut batch = Batch::new();
        match flat::read(&message.payload, device, &mut batch) {
            Ok(read) => {
                self.gateway.count_refused(Refusal::BadName, read.refused_names as u64);
                self.gateway.count_refused(Refusal::BadValue, read.refused_values as u64);
            }
            Err(_) => return self.refuse(message, Refusal::Malformed),
        }
        if batch.is_empty() {
            return Dealt::With;
        }
        if !waits {
            if let Err(batch) = self.inlet.emit(batch) {
                self.gateway.count_refused(Refusal::NoCredit, batch.len() as u64);
            }
            return Dealt::With;
        }
        match self.inlet.take(batch).await {
            Ok(pending) => Dealt::Committing(pending),
            // The gateway stops: the broker keeps it.
            Err(_) => std::future::pending().await,
        }
    }

    fn result(&self, device: &DeviceId, message: &Incoming) -> Dealt {
        if message.retained || self.gateway.home(device).as_ref() != Some(self.inlet.home()) {
            return Dealt::With;
        }
        match command::outcome(&message.payload) {
            Ok((id, outcome)) => {
                if !self.route.answered(device, &id, outcome) {
                    tracing::debug!(%device, %id, "nobody waits for this result");
                }
                Dealt::With
            }
            Err(_) => self.refuse(message, Refusal::Malformed),
        }
    }

    async fn command(&mut self, device: &DeviceId, message: &Incoming) {
        let taken = commands::take(&self.gateway, &self.link, &self.prefix, device, message).await;
        match taken {
            Taken::Nothing => {}
            Taken::Answer(messages) => self.answers.extend(messages),
            Taken::Running(id, reply) => {
                let gateway = self.gateway.clone();
                let over =
                    async move { Reply::of(reply, gateway.command_over(&id).await.as_ref()) };
                self.running.spawn(over);
            }
        }
    }
}

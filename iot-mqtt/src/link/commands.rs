//! Commands over a link: those that come in for the gateway's devices, and those that go out to
//! devices that live on the other side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use iot_core::domain::{
    Command, CommandId, CommandRecord, DeviceId, Home, Outcome, Principal, Role, Scope,
};
use iot_core::gateway::Handle;
use iot_core::ledger::Refusal;
use iot_core::port::{CommandRoute, Unready};
use tokio::time::Instant;

use super::client::{Client, Incoming};
use super::message::{Answer, Message, Outlet as _};
use crate::command;
use crate::topic::{Purpose, may_answer_at};
use crate::waiters::Waiters;

/// The way of commands to devices on a link's other side.
#[derive(Debug)]
pub(crate) struct Route {
    home: Home,
    name: String,
    prefix: String,
    /// The session, while there is one.
    client: Mutex<Option<Client>>,
    waiters: Waiters,
}

impl Route {
    pub(crate) fn new(name: &str, prefix: &str) -> Arc<Self> {
        Arc::new(Self {
            home: Home::Link(name.to_owned()),
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            client: Mutex::default(),
            waiters: Waiters::default(),
        })
    }

    fn client(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session is there, or none is.
    pub(crate) fn connected(&self, client: Option<Client>) {
        *self.client() = client;
    }

    /// A device says what became of a command; false where none waits for that.
    pub(crate) fn answered(&self, device: &DeviceId, id: &CommandId, outcome: Outcome) -> bool {
        self.waiters.answer(id, device, outcome)
    }
}

#[async_trait]
impl CommandRoute for Route {
    fn serves(&self, home: &Home) -> bool {
        *home == self.home
    }

    fn takes_any(&self, _: &Home) -> bool {
        true
    }

    fn accepts(&self, _: &Home, _: &DeviceId) -> Result<(), Unready> {
        if self.client().is_some() {
            Ok(())
        } else {
            Err(Unready::Soon(format!("the link {} is not connected", self.name)))
        }
    }

    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        let Some(client) = self.client().clone() else {
            return Outcome::Refused(format!("the link {} is not connected", self.name));
        };
        let message = Message {
            topic: format!("{}{}", self.prefix, Purpose::Commands.of(&command.device)),
            payload: command::handed(&command).into(),
            ..Message::default()
        };
        if message.size() > client.largest() {
            return Outcome::Refused("it is larger than the broker takes".to_owned());
        }
        let waits = self.waiters.wait(command.id, command.device);
        if let Ok(answered) = client.publish(&message).await
            && let Answer::Refused(why) = answered.await
        {
            return Outcome::Refused(format!("the broker does not take it: {why}"));
        }
        // Where the session ended meanwhile it may be there all the same: the deadline decides.
        waits.get().await
    }
}

/// A command that came in and was written down, or was refused: what is to be done then.
pub(crate) enum Taken {
    /// Nothing.
    Nothing,
    /// Its sender is to be answered with this.
    Answer(Vec<Message>),
    /// Its sender is to be answered when it is over.
    Running(CommandId, Reply),
}

/// Where an answer goes.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    result: String,
    response: Option<String>,
    correlation: Option<Bytes>,
}

impl Reply {
    fn to(prefix: &str, device: &DeviceId, incoming: &Incoming) -> Self {
        let response = incoming.response.clone().filter(|topic| may_answer_at(prefix, topic));
        Self {
            result: format!("{prefix}{}", Purpose::Result.of(device)),
            response,
            correlation: incoming.correlation.clone(),
        }
    }

    fn messages(self, payload: Vec<u8>) -> Vec<Message> {
        let payload = Bytes::from(payload);
        let asked = self.response.map(|topic| Message {
            topic,
            payload: payload.clone(),
            correlation: self.correlation.clone(),
            ..Message::default()
        });
        let result = Message { topic: self.result, payload, ..Message::default() };
        std::iter::once(result).chain(asked).collect()
    }

    /// The answer of a command that is over.
    pub(crate) fn of(self, record: Option<&CommandRecord>) -> Vec<Message> {
        record.and_then(command::result).map_or_else(Vec::new, |payload| self.messages(payload))
    }
}

/// Takes a command in, and waits until it is written down.
pub(crate) async fn take(
    gateway: &Handle,
    link: &str,
    prefix: &str,
    device: &DeviceId,
    incoming: &Incoming,
) -> Taken {
    let door = format!("link:{link}");
    let theirs = match gateway.home(device) {
        Some(home) => home == Home::Link(link.to_owned()),
        // Another gateway's, perhaps: it answers.
        None => true,
    };
    if theirs {
        return Taken::Nothing;
    }
    let refuse = |why| gateway.refuse(&door, &incoming.topic, why, &incoming.payload);
    if incoming.retained {
        refuse(Refusal::Retained);
        return Taken::Nothing;
    }
    let reply = Reply::to(prefix, device, incoming);
    let mut request = match command::request(&incoming.payload, device) {
        Ok(request) => request,
        Err(no) => {
            refuse(Refusal::Malformed);
            return Taken::Answer(reply.messages(command::refusal(no.id.as_ref(), &no.why)));
        }
    };
    let now = Instant::now();
    if let Some(expires) = incoming.expires {
        let left = expires.saturating_duration_since(now);
        if left.is_zero() {
            refuse(Refusal::Expired);
            let why = "it came too late: its message had expired";
            return Taken::Answer(reply.messages(command::refusal(request.id.as_ref(), why)));
        }
        request.timeout = Some(request.timeout.unwrap_or(command::USUAL).min(left));
    }
    if incoming.again && request.id.is_none() {
        refuse(Refusal::Repeated);
        let why = "it was delivered again and has no id: it may have run already";
        return Taken::Answer(reply.messages(command::refusal(None, why)));
    }
    let id = request.id.clone();
    let who = Principal { name: door.clone(), role: Role::Operator, scope: Scope::All };
    match gateway.command(&who, request).await {
        // Asked for again: what became of it is told again.
        Ok(record) if record.state.is_over() => Taken::Answer(reply.of(Some(&record))),
        Ok(record) => Taken::Running(record.id, reply),
        Err(error) => {
            let why = error.to_string();
            Taken::Answer(reply.messages(command::refusal(id.as_ref(), &why)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_answers_its_own_commands_alone() {
        let route = Route::new("up", "");
        let (a, b) = (DeviceId::parse("a").unwrap(), DeviceId::parse("b").unwrap());
        let id = CommandId::parse("c").unwrap();
        let waits = route.waiters.wait(id.clone(), a.clone());
        let done = || Outcome::Done(serde_json::Value::Null);
        assert!(!route.answered(&b, &id, done()), "another device");
        assert!(route.answered(&a, &id, done()));
        assert!(!route.answered(&a, &id, Outcome::Failed("late".to_owned())), "once");
        assert_eq!(waits.get().await, done());
        assert!(matches!(route.accepts(&Home::Api, &a), Err(Unready::Soon(_))));
    }
}

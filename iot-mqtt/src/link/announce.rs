//! What a link says of the gateway and its devices: `status` and `info`, retained.
//!
//! - In: the devices, at the beginning of each session; then their changes, from the live bus
//! - Out: retained messages
//! - Bound: one entry for each device that changed, and 32 messages that are not acknowledged
//! - When full: changes of one device become one; the newest counts
//! - Counter: none; what was not said is said in the next session

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use iot_core::domain::{DeviceId, DeviceState, Home};
use iot_core::format::device::DeviceShape;
use iot_core::gateway::Handle;
use iot_core::pipeline::{DeviceView, Live, Received};

use super::config::Devices;
use super::message::{Answer, Answered, Lost, Message, Outlet};
use crate::topic::{self, Purpose};

/// Messages that are not acknowledged, at most.
const WINDOW: usize = 32;

/// What is said, and of whom.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    pub(crate) gateway: Handle,
    pub(crate) devices: Devices,
    /// Devices of this home are the other side's own, and say themselves whether they are there.
    pub(crate) theirs: Home,
    /// Whether the gateway says there what it knows of them.
    pub(crate) describes_theirs: bool,
    pub(crate) prefix: String,
    /// Whether the other side keeps messages for those who come later.
    pub(crate) retain: bool,
}

/// What was said of a device in this session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    online: Option<bool>,
    info: u64,
}

impl Announcer {
    /// Whether the gateway is there.
    pub(crate) fn gateway_status(&self, online: bool) -> Message {
        let topic = topic::gateway_status(&self.gateway.info().id);
        self.message(&topic, word(online))
    }

    fn message(&self, topic: &str, payload: impl Into<Bytes>) -> Message {
        Message {
            topic: format!("{}{topic}", self.prefix),
            payload: payload.into(),
            retain: self.retain,
            ..Message::default()
        }
    }

    /// Says everything, and then what changes, until the session is lost. `heard` is called at the
    /// first acknowledgement.
    pub(crate) async fn run(&self, outlet: &impl Outlet, heard: impl FnOnce()) -> Lost {
        match self.say(outlet, heard).await {
            Ok(never) | Err(never) => never,
        }
    }

    async fn say(&self, outlet: &impl Outlet, heard: impl FnOnce()) -> Result<Lost, Lost> {
        let mut bus = self.gateway.subscribe();
        let hasher = RandomState::new();
        let mut said: HashMap<DeviceId, Said> = HashMap::new();
        let mut todo = self.all();
        let mut answers: FuturesUnordered<Answered> = FuturesUnordered::new();
        let mut heard = Some(heard);
        let online = outlet.publish(&self.gateway_status(true)).await?;
        answers.push(online);
        loop {
            while answers.len() < WINDOW
                && let Some(id) = todo.pop_first()
            {
                for message in self.news(&id, &mut said, &hasher) {
                    if message.size() > outlet.largest() {
                        tracing::warn!(topic = message.topic, "larger than the broker takes");
                        continue;
                    }
                    let answered = outlet.publish(&message).await?;
                    answers.push(answered);
                }
            }
            tokio::select! {
                biased;
                Some(answer) = answers.next() => match answer {
                    Answer::Acknowledged => {
                        if let Some(heard) = heard.take() {
                            heard();
                        }
                    }
                    Answer::Refused(why) => {
                        tracing::warn!(why, "the broker does not take what is said of a device");
                    }
                    Answer::Lost => return Err(Lost),
                },
                received = bus.next() => match received {
                    Some(Received::Batch(batch)) => match batch.live {
                        Live::Readings(_) => {}
                        Live::Device(view) => {
                            todo.insert(view.device.id.clone());
                        }
                        Live::Gone(id) => {
                            todo.insert(id);
                        }
                    },
                    Some(Received::Lagged { .. }) => {
                        todo.extend(self.all());
                        todo.extend(said.keys().cloned());
                    }
                    // The gateway has stopped: the link is about to be.
                    None => std::future::pending().await,
                },
            }
        }
    }

    fn all(&self) -> BTreeSet<DeviceId> {
        self.gateway.devices().iter().map(|view| view.device.id.clone()).collect()
    }

    /// What is new about a device since it was last spoken of.
    fn news(
        &self,
        id: &DeviceId,
        said: &mut HashMap<DeviceId, Said>,
        hasher: &RandomState,
    ) -> Vec<Message> {
        let view = self.gateway.device(id);
        let ours = |view: &DeviceView| view.device.home != self.theirs;
        let told = |view: &DeviceView| {
            (ours(view) || self.describes_theirs) && self.devices.contains(&view.device.id)
        };
        let Some(view) = view.filter(|view| told(view)) else {
            // An empty message takes away what is kept there.
            let Some(before) = said.remove(id) else { return Vec::new() };
            let status = before.online.map(|_| Purpose::Status);
            let all = status.into_iter().chain([Purpose::Info]);
            return all.map(|purpose| self.message(&purpose.of(id), Bytes::new())).collect();
        };
        let mut news = Vec::new();
        let before = said.entry(id.clone()).or_default();
        if ours(&view) {
            let online = view.state == DeviceState::Online;
            if before.online.replace(online) != Some(online) {
                news.push(self.message(&Purpose::Status.of(id), word(online)));
            }
        } else {
            // A device says itself whether it is there.
            before.online = None;
        }
        // When it was last heard is no news of its own.
        let without = DeviceView { last_seen: None, ..DeviceView::clone(&view) };
        let info = hasher.hash_one(described(&without));
        if std::mem::replace(&mut before.info, info) != info {
            news.push(self.message(&Purpose::Info.of(id), described(&view)));
        }
        news
    }
}

fn word(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}

/// The device as in REST, without latest values. All of it is texts and numbers: it is JSON.
fn described(view: &DeviceView) -> Vec<u8> {
    serde_json::to_vec(&DeviceShape::described(view)).unwrap_or_default()
}

//! The broker of one gateway: its state behind a lock that is held for a moment, and what wakes the
//! connections that have something to send.
//!
//! - In: what connections, the gateway and time bring
//! - Out: messages in sessions' queues, and a wake-up to each connection that has some
//! - Bound: those of [`Limits`]
//! - When full: the protocol's own answer, or a drop that is counted
//! - Counter: the broker's figures in the diagnostics and metrics

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use iot_core::domain::{Batch, Home};
use iot_core::format::flat;
use iot_core::gateway::{Handle, Inlet};
use iot_core::ledger::Refusal;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::ConnectAck;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::codec::Codec;
use super::commands::Inbox;
use super::connect::Accepted;
use super::limits::Limits;
use super::message::{Message, Will};
use super::rights::Gatekeeper;
use super::session::ConnectionId;
use super::sort::Sorter;
use super::state::{Closed, State};
use crate::config::BrokerConfig;
use crate::waiters::Waiters;

/// By which way messages came, as a home is spelled.
pub(super) const DOOR: &str = "listener:mqtt";

/// The kind that devices get which come into being here.
pub(crate) const KIND: &str = "mqtt";

/// A connection's place: how others reach it.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// There is something to send, or the connection is to end.
    pub(crate) wake: Notify,
    /// Another connection took its client id.
    pub(crate) taken: OnceLock<()>,
}

/// The broker of one gateway.
pub(crate) struct Hub {
    pub(crate) config: BrokerConfig,
    pub(crate) gateway: Handle,
    pub(crate) keeper: Gatekeeper,
    pub(crate) commands: Inbox,
    pub(crate) waiters: Waiters,
    inner: Mutex<Inner>,
    /// Read for each message without the lock: mostly nobody listens.
    subscribed: AtomicBool,
    next: AtomicU64,
    published_in: AtomicU64,
    published_out: AtomicU64,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

struct Inner {
    state: State,
    seats: HashMap<ConnectionId, Arc<Seat>>,
    ready: Vec<ConnectionId>,
}

impl Hub {
    /// A broker without clients.
    pub(crate) fn new(
        config: BrokerConfig,
        gateway: Handle,
        commands: Inbox,
        waiters: Waiters,
    ) -> Self {
        let keeper = Gatekeeper {
            access: gateway.access().clone(),
            gateway: gateway.info().id,
            local_commands: config.local_commands,
        };
        let limits = Limits {
            clients: config.max_clients,
            payload: config.max_message,
            ..Limits::default()
        };
        let inner = Inner { state: State::new(limits), seats: HashMap::new(), ready: Vec::new() };
        Self {
            config,
            gateway,
            keeper,
            commands,
            waiters,
            inner: Mutex::new(inner),
            subscribed: AtomicBool::new(false),
            next: AtomicU64::new(1),
            published_in: AtomicU64::new(0),
            published_out: AtomicU64::new(0),
        }
    }

    /// A codec for a new connection.
    pub(crate) fn codec(&self) -> Codec {
        Codec::new(self.lock().state.limits())
    }

    /// A number that no connection had.
    pub(crate) fn connection(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Does something to the state, then wakes whoever has something to send.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut inner = self.lock();
        let result = work(&mut inner.state);
        let Inner { state, seats, ready } = &mut *inner;
        state.take_ready(ready);
        for id in ready.drain(..) {
            if let Some(seat) = seats.get(&id) {
                seat.wake.notify_one();
            }
        }
        self.subscribed.store(state.anyone_subscribed(), Ordering::Release);
        result
    }

    /// Lets a connection in; whoever had its client id is told to go.
    pub(crate) fn connect(
        &self,
        id: ConnectionId,
        seat: Arc<Seat>,
        accept: impl FnOnce(&mut State) -> Result<Accepted, Box<ConnectAck>>,
    ) -> Result<Accepted, Box<ConnectAck>> {
        let mut inner = self.lock();
        let accepted = accept(&mut inner.state)?;
        if let Some(old) = accepted.taken_over.and_then(|old| inner.seats.remove(&old)) {
            // Told once is told.
            let _ = old.taken.set(());
            old.wake.notify_one();
        }
        // What waits for it is there when it first looks.
        seat.wake.notify_one();
        inner.seats.insert(id, seat);
        drop(inner);
        Ok(accepted)
    }

    /// A connection has ended; what its client left to be published is.
    pub(crate) fn closed(&self, id: ConnectionId, how: Closed) {
        let wills = self.with(|state| state.closed(id, how, Instant::now()));
        self.lock().seats.remove(&id);
        self.wills(wills);
    }

    /// Publishes something of the gateway itself.
    pub(crate) fn publish(&self, message: Message) {
        let message = Arc::new(message);
        let routed = self.with(|state| state.publish(&message, true));
        self.count_out(routed.sessions as u64);
    }

    /// Publishes what clients left, each as if its client had published it now.
    pub(crate) fn wills(&self, wills: Vec<Will>) {
        if wills.is_empty() {
            return;
        }
        let inlet = self.gateway.inlet(Home::MqttListener, KIND);
        for will in wills {
            let message = will.message;
            let publish = Publish {
                dup: false,
                retain: message.retain,
                qos: QoS::AtMostOnce,
                topic: message.topic.clone(),
                packet_id: None,
                payload: message.payload.clone(),
                properties: message.properties.as_deref().cloned(),
            };
            let mut sorter = Sorter::new();
            // Whether the client may publish it was asked when it connected.
            let client = self.keeper.testator(&will.owner);
            let fate = sorter.sort(self, &inlet, &client, &publish);
            self.emit(&inlet, sorter.batch);
            if fate.routed {
                let message = Arc::new(message);
                let routed = self.with(|state| state.publish(&message, false));
                self.count_out(routed.sessions as u64);
            }
        }
    }

    /// Hands readings over whose sender does not wait; what there is no credit for is lost and
    /// counted.
    pub(crate) fn emit(&self, inlet: &Inlet, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        if let Err(batch) = inlet.emit(batch) {
            self.gateway.count_refused(Refusal::NoCredit, batch.len() as u64);
        }
    }

    /// Whether a client that is connected listens to a topic.
    pub(crate) fn listens(&self, topic: &str) -> bool {
        self.lock().state.subscribers_online(topic)
    }

    /// Whether anybody subscribed to anything.
    pub(crate) fn anyone_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Acquire)
    }

    /// Counts a message that is not taken, and keeps it for people to look at.
    pub(crate) fn refuse(&self, topic: &str, why: Refusal, payload: &[u8]) {
        self.gateway.refuse(DOOR, topic, why, payload);
    }

    /// Counts what a payload held beside its readings.
    pub(crate) fn count_unread(&self, read: &flat::Read) {
        for (why, count) in
            [(Refusal::BadName, read.refused_names), (Refusal::BadValue, read.refused_values)]
        {
            if count > 0 {
                self.gateway.count_refused(why, count as u64);
            }
        }
    }

    pub(crate) fn count_in(&self, messages: u64) {
        self.published_in.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn count_out(&self, messages: u64) {
        self.published_out.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages that clients published, and that were queued for them.
    pub(crate) fn published(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.published_in), count(&self.published_out))
    }

    /// The largest packet that is taken, in bytes.
    pub(crate) fn largest_packet(&self) -> usize {
        self.lock().state.limits().packet() as usize
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The port: a list of instances, each with a supervisor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use iot_core::domain::{
    Command, DeviceId, Home, InstanceName, InstanceState, InstanceStatus, Outcome,
};
use iot_core::port::{CommandRoute, Launch, PluginHost, Unready};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::instance::{Instance, lock};
use super::limits::Limits;
use super::supervisor::supervise;

/// Runs each instance on a thread of its own.
///
/// It needs a runtime only once something is started. Dropping it tells all instances to stop and
/// does not wait for them; [`PluginHost::stop_all`] waits.
pub struct ThreadHost {
    limits: Arc<Limits>,
    instances: Mutex<BTreeMap<InstanceName, Arc<Seat>>>,
    /// Parent of all stop signals.
    all: CancellationToken,
}

impl fmt::Debug for ThreadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHost").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Default for ThreadHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ThreadHost {
    fn drop(&mut self) {
        self.all.cancel();
    }
}

/// A place in the list: an instance and whether it is alive.
struct Seat {
    instance: Arc<Instance>,
    life: tokio::sync::Mutex<Life>,
}

enum Life {
    /// Never started.
    New,
    /// Its supervisor runs, or has given up.
    Led { stop: CancellationToken, supervisor: JoinHandle<()> },
    /// Stopped by hand.
    Stopped,
    /// Taken out of the list: it does not start again.
    Removed,
}

impl ThreadHost {
    /// A host with the limits of the house.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A host with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits: Arc::new(limits),
            instances: Mutex::new(BTreeMap::new()),
            all: CancellationToken::new(),
        }
    }

    fn seat(&self, name: &InstanceName) -> Option<Arc<Seat>> {
        lock(&self.instances).get(name).cloned()
    }

    fn seat_of(&self, home: &Home) -> Option<Arc<Seat>> {
        match home {
            Home::Instance(name) => self.seat(name),
            Home::Link(_) | Home::MqttListener | Home::Api => None,
        }
    }

    fn begin(&self, seat: &Seat) -> Life {
        let stop = self.all.child_token();
        let instance = Arc::clone(&seat.instance);
        let supervisor =
            iot_core::task::spawn(supervise(instance, Arc::clone(&self.limits), stop.clone()));
        Life::Led { stop, supervisor }
    }
}

impl Seat {
    /// Ends the life that is there, if any, and says which it was.
    async fn end(&self, life: &mut Life, becomes: Life) {
        let Life::Led { stop, supervisor } = std::mem::replace(life, becomes) else { return };
        stop.cancel();
        if let Err(error) = supervisor.await {
            let name = &self.instance.record.name;
            tracing::error!(instance = %name, %error, "a supervisor ended badly");
        }
        // One that was given up is stopped now.
        if self.instance.report.stands().0 != InstanceState::Stopped {
            self.instance.report.set(InstanceState::Stopped, None);
        }
    }

    async fn stop(&self, becomes: Life) {
        let mut life = self.life.lock().await;
        self.end(&mut life, becomes).await;
    }
}

#[async_trait]
impl CommandRoute for ThreadHost {
    fn serves(&self, home: &Home) -> bool {
        self.seat_of(home).is_some()
    }

    fn accepts(&self, home: &Home, _: &DeviceId) -> Result<(), Unready> {
        self.seat_of(home).ok_or_else(|| Unready::No(not_here(home)))?.instance.accepts()
    }

    async fn deliver(&self, home: &Home, command: Command) -> Outcome {
        match self.seat_of(home) {
            Some(seat) => seat.instance.deliver(command).await,
            None => Outcome::Refused(not_here(home)),
        }
    }
}

fn not_here(home: &Home) -> String {
    format!("there is no {home}")
}

#[async_trait]
impl PluginHost for ThreadHost {
    async fn start(&self, launch: Launch) {
        let name = launch.record.name.clone();
        let seat = Arc::new(Seat {
            instance: Arc::new(Instance::new(launch)),
            life: tokio::sync::Mutex::new(Life::New),
        });
        // A replacement closes the old one before it opens the new.
        let old = lock(&self.instances).insert(name, Arc::clone(&seat));
        if let Some(old) = old {
            old.stop(Life::Removed).await;
        }
        let mut life = seat.life.lock().await;
        if matches!(*life, Life::New) {
            *life = self.begin(&seat);
        }
    }

    async fn stop(&self, name: &InstanceName) {
        if let Some(seat) = self.seat(name) {
            seat.stop(Life::Stopped).await;
        }
    }

    async fn restart(&self, name: &InstanceName) -> Result<(), String> {
        let seat = self.seat(name).ok_or_else(|| format!("there is no instance {name}"))?;
        if !seat.instance.kind.describe().restartable {
            let kind = &seat.instance.record.kind;
            return Err(format!("instance {name} is a {kind} and cannot be started a second time"));
        }
        let mut life = seat.life.lock().await;
        if matches!(*life, Life::Removed) {
            return Err(format!("there is no instance {name}"));
        }
        seat.end(&mut life, Life::Stopped).await;
        *life = self.begin(&seat);
        Ok(())
    }

    async fn remove(&self, name: &InstanceName) {
        let seat = lock(&self.instances).remove(name);
        if let Some(seat) = seat {
            seat.stop(Life::Removed).await;
        }
    }

    fn statuses(&self) -> Vec<InstanceStatus> {
        lock(&self.instances).values().map(|seat| seat.instance.status()).collect()
    }

    async fn stop_all(&self) {
        let seats: Vec<Arc<Seat>> = lock(&self.instances).values().cloned().collect();
        let mut stopping = JoinSet::new();
        for seat in seats {
            stopping.spawn(async move { seat.stop(Life::Stopped).await });
        }
        while let Some(stopped) = stopping.join_next().await {
            if let Err(error) = stopped {
                tracing::error!(%error, "an instance could not be stopped");
            }
        }
    }
}

iot_core::register_host!("threads", ThreadHost::new);

//! The plugin host: runs instances, each on its own.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Desk, PluginKind};
use crate::domain::{
    Command, DeviceId, Home, InstanceName, InstanceRecord, InstanceStatus, Outcome, State,
};

/// Everything that an instance needs to run.
#[derive(Clone)]
pub struct Launch {
    /// What it is.
    pub record: InstanceRecord,
    /// The plugin's kind.
    pub kind: Arc<dyn PluginKind>,
    /// What it may use of the gateway.
    pub desk: Arc<dyn Desk>,
    /// What its plugin kept.
    pub state: State,
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").field("record", &self.record).finish_non_exhaustive()
    }
}

/// A command cannot be handed over now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// It can be soon, as while an instance starts: the command waits until its deadline.
    Soon(String),
    /// It cannot.
    No(String),
}

/// The way of a command to the devices of some homes.
#[async_trait]
pub trait CommandRoute: Send + Sync {
    /// Whether devices of this home are reached here.
    fn serves(&self, home: &Home) -> bool;

    /// Whether devices of this home may be sent commands that they did not announce, because they
    /// speak for themselves.
    fn takes_any(&self, home: &Home) -> bool {
        let _ = home;
        false
    }

    /// Whether a command could be handed over now; asked before it is written down as sent.
    ///
    /// # Errors
    /// Why not, in words for the person who asked.
    fn accepts(&self, home: &Home, device: &DeviceId) -> Result<(), Unready>;

    /// Hands a command over and waits for its outcome. The caller keeps the deadline.
    async fn deliver(&self, home: &Home, command: Command) -> Outcome;
}

/// Runs instances: a thread each where threads are, inline in a simulation.
#[async_trait]
pub trait PluginHost: CommandRoute {
    /// Begins to run an instance; what becomes of it is seen in its status.
    async fn start(&self, launch: Launch);

    /// Stops an instance: what it has is taken in, its state is kept, it is closed. It stays in the
    /// list as `stopped`. Within 2 s, or it is abandoned.
    async fn stop(&self, name: &InstanceName);

    /// Starts an instance again that was stopped, gave up or is to be restarted.
    ///
    /// # Errors
    /// When there is no such instance, or it cannot be started again.
    async fn restart(&self, name: &InstanceName) -> Result<(), String>;

    /// Takes an instance out of the list, stopping it first.
    async fn remove(&self, name: &InstanceName);

    /// All instances and where they stand.
    fn statuses(&self) -> Vec<InstanceStatus>;

    /// Stops all instances, at the same time.
    async fn stop_all(&self);
}

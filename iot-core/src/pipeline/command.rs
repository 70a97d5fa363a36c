//! The way back: a command is written down before it is sent and ends in exactly one outcome.
//!
//! - In: requests, from HTTP, WebSocket, MQTT and the embedding program
//! - Out: commands to their device's home; records to the log
//! - Bound: 256 commands that are not over
//! - When full: a request is refused in words
//! - Counter: `commands_open` of the diagnostics
//!
//! States: queued -> sent -> done | failed | refused | timed_out. Each step is on disk before the
//! next begins, so a command that was open when the process died is told apart: one that was sent
//! may have run, one that was not has not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use crate::domain::{
    Command, CommandId, CommandRecord, CommandState, DeviceId, Home, Outcome, Timestamp,
};
use crate::port::{Change, Clock, CommandRoute, ConfigError, LogErrorKind};

/// The most commands that are not over.
pub(crate) const OPEN: usize = 256;
/// How long a command may take where nobody says.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that anybody may say.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// A command was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such device.
    #[error("there is no device {0}")]
    UnknownDevice(DeviceId),
    /// The device has no such command.
    #[error("device {device} has no command {name:?}; {hint}")]
    UnknownCommand {
        /// The device.
        device: DeviceId,
        /// What was asked for.
        name: String,
        /// The nearest it has.
        hint: String,
    },
    /// The parameters do not fit.
    #[error("the parameters do not fit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Params(Vec<ConfigError>),
    /// The time it may take is out of range.
    #[error("timeout_ms must lie between 1 and 3600000")]
    Timeout,
    /// Too many commands are not over.
    #[error("{OPEN} commands are not over yet; try again when some are")]
    Busy,
    /// The same id was used for another command.
    #[error("command id {0} was used for another command within the last 24 hours")]
    Conflict(CommandId),
    /// The store has no room.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store cannot be written now.
    #[error("the store cannot be written now: {0}")]
    Store(String),
}

/// A command that is not over, and where its end is told.
type Open = watch::Receiver<CommandRecord>;

/// Takes commands to their devices.
pub(crate) struct Dispatcher {
    open: Mutex<HashMap<CommandId, Open>>,
    send: mpsc::Sender<(CommandRecord, Home, watch::Sender<CommandRecord>)>,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dispatcher")
    }
}

/// The dispatcher's task.
pub(crate) struct Dispatch {
    take: mpsc::Receiver<(CommandRecord, Home, watch::Sender<CommandRecord>)>,
    routes: Vec<Arc<dyn CommandRoute>>,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
}

impl Dispatcher {
    pub(crate) fn new(
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
        routes: Vec<Arc<dyn CommandRoute>>,
    ) -> (Self, Dispatch) {
        let (send, take) = mpsc::channel(OPEN);
        let dispatch = Dispatch { take, routes, queue: queue.clone(), clock: clock.clone() };
        (Self { open: Mutex::default(), send, queue, clock }, dispatch)
    }

    pub(crate) fn open_count(&self) -> usize {
        let mut open = self.lock();
        open.retain(|_, record| !record.borrow().state.is_over());
        open.len()
    }

    /// A command that is not over, or was not a moment ago.
    pub(crate) fn watch(&self, id: &CommandId) -> Option<Open> {
        self.lock().get(id).cloned()
    }

    /// Writes a command down and sends it on its way. Gives the record as it is on file.
    pub(crate) async fn request(
        &self,
        record: CommandRecord,
        home: Home,
    ) -> Result<CommandRecord, CommandError> {
        if self.open_count() >= OPEN {
            return Err(CommandError::Busy);
        }
        let (tell, hear) = watch::channel(record.clone());
        if let Some(other) = self.lock().insert(record.id.clone(), hear) {
            let other_record = other.borrow().clone();
            self.lock().insert(record.id.clone(), other);
            return same(&other_record, &record);
        }
        let forget = Forget { dispatcher: self, id: Some(record.id.clone()) };
        let permit = self.send.try_reserve().map_err(|_| CommandError::Busy)?;
        let change = vec![Change::PutCommand(record.clone())];
        let ticket = self.queue.change(change, true);
        let ticket = ticket.ok_or_else(|| CommandError::Store("the gateway is stopping".into()))?;
        ticket.committed().await.map_err(|e| match e.kind {
            LogErrorKind::Full => CommandError::Full(e.why),
            _ => CommandError::Store(e.why),
        })?;
        permit.send((record.clone(), home, tell));
        forget.keep();
        Ok(record)
    }

    /// Ends what was open when the process died.
    pub(crate) async fn end_left_over(&self, open: Vec<CommandRecord>) {
        for record in open {
            let may_have_run = record.state == CommandState::Sent;
            if let Some(ended) = record.ended(Outcome::TimedOut { may_have_run }) {
                tracing::warn!(command = %ended.id, may_have_run, "a command was open when the gateway stopped");
                persist(&self.queue, ended).await;
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommandId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an id out again when its command was not taken in after all.
struct Forget<'a> {
    dispatcher: &'a Dispatcher,
    id: Option<CommandId>,
}

impl Forget<'_> {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.dispatcher.lock().remove(&id);
        }
    }
}

/// The record on file for a repeated id, if it is the same command.
pub(crate) fn same(
    on_file: &CommandRecord,
    asked: &CommandRecord,
) -> Result<CommandRecord, CommandError> {
    if on_file.device_id == asked.device_id
        && on_file.name == asked.name
        && on_file.params == asked.params
    {
        Ok(on_file.clone())
    } else {
        Err(CommandError::Conflict(asked.id.clone()))
    }
}

impl Dispatch {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        let error: tokio::task::JoinError = error;
                        tracing::error!(%error, "a command's task ended badly");
                    }
                }
                next = self.take.recv() => {
                    let Some((record, home, tell)) = next else { break };
                    let one = One {
                        route: self.routes.iter().find(|route| route.serves(&home)).cloned(),
                        queue: self.queue.clone(),
                        clock: self.clock.clone(),
                        home,
                    };
                    running.spawn(one.run(record, tell));
                }
            }
        }
        // What is not over now ends at the next start, as it would after a crash.
        running.shutdown().await;
    }
}

/// One command on its way.
struct One {
    route: Option<Arc<dyn CommandRoute>>,
    home: Home,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
}

impl One {
    async fn run(self, record: CommandRecord, tell: watch::Sender<CommandRecord>) {
        let (record, outcome) = self.outcome(record, &tell).await;
        if let Some(ended) = record.ended(outcome)
            && persist(&self.queue, ended.clone()).await
        {
            tell.send_replace(ended);
        }
    }

    async fn outcome(
        &self,
        record: CommandRecord,
        tell: &watch::Sender<CommandRecord>,
    ) -> (CommandRecord, Outcome) {
        let Some(route) = &self.route else {
            let why = format!("nobody carries commands to devices of {}", self.home);
            return (record, Outcome::Refused(why));
        };
        if let Err(why) = route.accepts(&self.home, &record.device_id) {
            return (record, Outcome::Refused(why));
        }
        if self.left(&record).is_zero() {
            return (record, Outcome::Refused("its deadline had passed before it was sent".into()));
        }
        let Some(sent) = record.sent() else {
            return (record, Outcome::TimedOut { may_have_run: true });
        };
        if !persist(&self.queue, sent.clone()).await {
            return (record, Outcome::TimedOut { may_have_run: false });
        }
        tell.send_replace(sent.clone());
        let time_left = self.left(&sent);
        let command = Command {
            id: sent.id.clone(),
            device: sent.device_id.clone(),
            name: sent.name.clone(),
            params: sent.params.clone(),
            time_left,
        };
        match tokio::time::timeout(time_left, route.deliver(&self.home, command)).await {
            Ok(outcome) => (sent, outcome),
            Err(_) => (sent, Outcome::TimedOut { may_have_run: true }),
        }
    }

    fn left(&self, record: &CommandRecord) -> Duration {
        record.deadline.since(self.clock.now().wall)
    }
}

/// Puts a command's next step on disk, for as long as that takes; false when the gateway stops.
async fn persist(queue: &Queue, record: CommandRecord) -> bool {
    let mut backoff = Duration::from_millis(100);
    let mut changes = vec![Change::PutCommand(record)];
    // A change stays queued while the store fails: asking again without one tells when it is there.
    while let Some(ticket) = queue.change(std::mem::take(&mut changes), true) {
        if ticket.committed().await.is_ok() {
            return true;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(5));
    }
    false
}

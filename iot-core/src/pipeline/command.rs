//! The way back: a command is written down before it is sent and ends in exactly one outcome.
//!
//! - In: requests, from HTTP, WebSocket, MQTT and the embedding program
//! - Out: commands to their device's home; records to the log
//! - Bound: 256 commands that are not over
//! - When full: a request is refused in words
//! - Counter: `commands_open` of the diagnostics
//!
//! An id is reserved in memory before the registry is asked for it, and the dispatcher's task owns a
//! command from before it is written down: neither an asker that leaves nor a commit that fails can
//! leave one without an outcome, or run it twice.
//!
//! States: queued -> sent -> done | failed | refused | timed_out. Each step is on disk before the
//! next begins, so a command that was open when the process died is told apart: one that was sent
//! may have run, one that was not has not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use crate::domain::{
    Command, CommandId, CommandRecord, CommandState, DeviceId, Home, Outcome, Timestamp,
};
use crate::port::{
    Change, Clock, CommandRoute, ConfigError, LogError, LogErrorKind, Registry, Unready,
};

/// The most commands that are not over.
pub(crate) const OPEN: usize = 256;
/// How long a command may take where nobody says.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a home that is not ready yet is asked again.
const SOON: Duration = Duration::from_millis(20);
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

impl From<LogError> for CommandError {
    fn from(error: LogError) -> Self {
        match error.kind {
            LogErrorKind::Full => Self::Full(error.why),
            _ => Self::Store(error.why),
        }
    }
}

/// A command that is not over, and where its end is told.
type Open = watch::Receiver<CommandRecord>;

/// A command on its way to the dispatcher's task.
struct Request {
    record: CommandRecord,
    home: Home,
    deadline: Instant,
    tell: watch::Sender<CommandRecord>,
    /// Told when it is written down, or could not be.
    written: oneshot::Sender<Result<(), LogError>>,
}

/// Takes commands to their devices.
pub(crate) struct Dispatcher {
    open: Mutex<HashMap<CommandId, Open>>,
    send: mpsc::Sender<Request>,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    routes: Vec<Arc<dyn CommandRoute>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dispatcher")
    }
}

/// The dispatcher's task.
pub(crate) struct Dispatch {
    take: mpsc::Receiver<Request>,
    routes: Vec<Arc<dyn CommandRoute>>,
    queue: Arc<Queue>,
}

/// An id is this asker's, or somebody was before.
enum Reserved {
    Mine(watch::Sender<CommandRecord>),
    Taken(CommandRecord),
}

impl Dispatcher {
    pub(crate) fn new(
        queue: Arc<Queue>,
        registry: Arc<dyn Registry>,
        clock: Arc<dyn Clock>,
        routes: Vec<Arc<dyn CommandRoute>>,
    ) -> (Self, Dispatch) {
        let (send, take) = mpsc::channel(OPEN);
        let dispatch = Dispatch { take, routes: routes.clone(), queue };
        (Self { open: Mutex::default(), send, registry, clock, routes }, dispatch)
    }

    pub(crate) fn open_count(&self) -> usize {
        let mut open = self.lock();
        // One that is over, or whose teller is gone, is on file.
        open.retain(|_, record| !record.borrow().state.is_over() && record.has_changed().is_ok());
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
        let deadline = Instant::now() + record.deadline.since(record.created);
        let tell = match self.reserve(&record) {
            Reserved::Mine(tell) => tell,
            Reserved::Taken(other) => return same(&other, &record),
        };
        // From here on the id is nobody else's; dropping `tell` gives it back.
        let on_file = self.registry.command(&record.id).await;
        if let Some(on_file) = on_file.map_err(|e| CommandError::Store(e.why))? {
            return same(&on_file, &record);
        }
        let (written, is_written) = oneshot::channel();
        let request = Request { record: record.clone(), home, deadline, tell, written };
        self.send.try_send(request).map_err(|_| CommandError::Busy)?;
        match is_written.await {
            Ok(Ok(())) => Ok(record),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(CommandError::Store("the gateway is stopping".to_owned())),
        }
    }

    fn reserve(&self, record: &CommandRecord) -> Reserved {
        let mut open = self.lock();
        if let Some(other) = open.get(&record.id)
            && other.has_changed().is_ok()
        {
            return Reserved::Taken(other.borrow().clone());
        }
        let (tell, hear) = watch::channel(record.clone());
        open.insert(record.id.clone(), hear);
        Reserved::Mine(tell)
    }

    /// Whether anybody speaks to devices of this home.
    pub(crate) fn serves(&self, home: &Home) -> bool {
        self.routes.iter().any(|route| route.serves(home))
    }

    /// Whether devices of this home may be sent what they did not announce.
    pub(crate) fn takes_any(&self, home: &Home) -> bool {
        self.routes.iter().any(|route| route.serves(home) && route.takes_any(home))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommandId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was open when the process died, with the outcome that it has thereby.
pub(crate) fn left_over(open: Vec<CommandRecord>) -> Vec<Change> {
    let ended = open.into_iter().filter_map(|record| {
        let may_have_run = record.state == CommandState::Sent;
        tracing::warn!(command = %record.id, may_have_run, "a command was open when the gateway stopped");
        record.ended(Outcome::TimedOut { may_have_run })
    });
    ended.map(Change::PutCommand).collect()
}

/// The record on file for a repeated id, if it is the same command.
fn same(on_file: &CommandRecord, asked: &CommandRecord) -> Result<CommandRecord, CommandError> {
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
                    let Some(request) = next else { break };
                    let route = self.routes.iter().find(|r| r.serves(&request.home)).cloned();
                    let one = One { route, queue: self.queue.clone(), home: request.home.clone() };
                    running.spawn(one.run(request));
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
}

impl One {
    async fn run(self, request: Request) {
        let Request { record, deadline, tell, written, .. } = request;
        let first = self.queue.change(vec![Change::PutCommand(record.clone())], true);
        let Some(mut first) = first else { return };
        if let Err(error) = first.committed().await {
            // The asker hears that it was not taken in. It may be on file all the same, or come
            // there later, and so has an outcome: it did not run.
            let ended = record.ended(Outcome::TimedOut { may_have_run: false });
            drop(written.send(Err(error)));
            if let Some(ended) = ended {
                persist(&self.queue, ended).await;
            }
            return;
        }
        // The asker may have left; the command goes on all the same.
        drop(written.send(Ok(())));
        let (record, outcome) = self.outcome(record, deadline, &tell).await;
        if let Some(ended) = record.ended(outcome)
            && persist(&self.queue, ended.clone()).await
        {
            tell.send_replace(ended);
        }
    }

    async fn outcome(
        &self,
        record: CommandRecord,
        deadline: Instant,
        tell: &watch::Sender<CommandRecord>,
    ) -> (CommandRecord, Outcome) {
        let Some(route) = &self.route else {
            let why = format!("nobody carries commands to devices of {}", self.home);
            return (record, Outcome::Refused(why));
        };
        loop {
            match route.accepts(&self.home, &record.device_id) {
                Ok(()) => break,
                Err(Unready::Soon(_)) if Instant::now() + SOON < deadline => {
                    tokio::time::sleep(SOON).await;
                }
                Err(Unready::Soon(why) | Unready::No(why)) => {
                    return (record, Outcome::Refused(why));
                }
            }
        }
        let late = || Outcome::Refused("its deadline had passed before it was sent".to_owned());
        if Instant::now() >= deadline {
            return (record, late());
        }
        let Some(sent) = record.sent() else {
            return (record, Outcome::TimedOut { may_have_run: true });
        };
        if !persist(&self.queue, sent.clone()).await {
            return (record, Outcome::TimedOut { may_have_run: false });
        }
        tell.send_replace(sent.clone());
        let time_left = deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            return (sent, late());
        }
        let command = Command {
            id: sent.id.clone(),
            device: sent.device_id.clone(),
            name: sent.name.clone(),
            params: sent.params.clone(),
            time_left,
        };
        // A task of its own, so that a route that panics ends the command and not its outcome.
        let (route, home) = (route.clone(), self.home.clone());
        let mut delivery = JoinSet::new();
        delivery.spawn(async move { route.deliver(&home, command).await });
        match tokio::time::timeout_at(deadline, delivery.join_next()).await {
            Ok(Some(Ok(outcome))) => (sent, outcome),
            Ok(Some(Err(error))) => {
                tracing::error!(command = %sent.id, %error, "a command's delivery ended badly");
                (sent, Outcome::TimedOut { may_have_run: true })
            }
            Ok(None) | Err(_) => (sent, Outcome::TimedOut { may_have_run: true }),
        }
    }
}

/// Puts a command's next step on disk, for as long as that takes; false when the gateway stops.
async fn persist(queue: &Queue, record: CommandRecord) -> bool {
    let mut backoff = Duration::from_millis(100);
    let mut changes = vec![Change::PutCommand(record)];
    // A change stays queued while the store fails: asking again without one tells when it is there.
    while let Some(mut ticket) = queue.change(std::mem::take(&mut changes), true) {
        if ticket.committed().await.is_ok() {
            return true;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(5));
    }
    false
}

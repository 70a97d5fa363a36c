//! Plugins: what an author writes, and the object-safe twins that the host holds.
//!
//! An author implements [`Plugin`]; its futures need not be `Send`, for each instance has a thread
//! and a current-thread runtime of its own, so a driver may block. The host holds [`PluginKind`]s,
//! which cross threads, and the [`DynPlugin`]s they open, which never leave theirs.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::oneshot;

use crate::domain::{
    Batch, Command, DeviceId, DeviceSpec, IdError, InstanceName, KindName, Outcome, State,
};
use crate::port::Reckoning;

/// A configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", if pointer.is_empty() { "configuration" } else { pointer.as_str() })]
pub struct ConfigError {
    /// Where: a JSON Pointer into the configuration, `/interval_ms`; empty for the whole.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl ConfigError {
    /// Something is wrong at a place.
    #[must_use]
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Whether opening again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may: the world was not ready.
    Soon,
    /// It will not until somebody changes something.
    Never,
}

/// A plugin could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct OpenError {
    /// What is wrong, and what to do.
    pub why: String,
    /// Whether opening again may help.
    pub retry: Retry,
}

impl OpenError {
    /// The world was not ready; it is tried again, with back-off.
    #[must_use]
    pub fn soon(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry: Retry::Soon }
    }

    /// It cannot work until somebody changes something.
    #[must_use]
    pub fn never(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry: Retry::Never }
    }
}

/// A poll did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PollError {
    /// What is wrong.
    pub why: String,
    /// The plugin must be closed and opened again; else it is only polled again, later.
    pub reopen: bool,
}

impl PollError {
    /// It did not work this time; the next poll is tried, with back-off.
    #[must_use]
    pub fn retry(why: impl Into<String>) -> Self {
        Self { why: why.into(), reopen: false }
    }

    /// The plugin must be closed and opened again.
    #[must_use]
    pub fn reopen(why: impl Into<String>) -> Self {
        Self { why: why.into(), reopen: true }
    }
}

/// A device could not be announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The id made from its hardware's identity belongs to another home's device.
    #[error("device {device} belongs to {home}; move it with POST devices/{device}/move")]
    NotHome {
        /// The device.
        device: DeviceId,
        /// Its home.
        home: String,
    },
    /// There are too many.
    #[error("{what} are at their limit of {limit}; raise it in the settings or announce fewer")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A sensor was announced with another type than it has on file.
    #[error("sensor {sensor} is on file as {on_file}, announced as {announced}")]
    Type {
        /// The sensor.
        sensor: String,
        /// Its type on file.
        on_file: &'static str,
        /// The announced one.
        announced: &'static str,
    },
    /// An identity does not fit.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Readings were taken in and are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// How many were accepted.
    pub accepted: usize,
    /// How many were refused; each is counted with its reason in the diagnostics.
    pub refused: usize,
}

/// Readings could not be put on disk. They may be there all the same: sending them again is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The store has no room, or cannot be written now.
    #[error("the store takes nothing now: {0}")]
    Store(String),
    /// The gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
}

/// When an instance is polled. Clones speak of the same schedule.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<AtomicU64>);

impl Schedule {
    /// The shortest interval.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// Once every interval.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let schedule = Self(Arc::new(AtomicU64::new(0)));
        schedule.set(interval);
        schedule
    }

    /// Changes the interval; it holds from the next poll on.
    pub fn set(&self, interval: Duration) {
        let ms = u64::try_from(interval.max(Self::SHORTEST).as_millis()).unwrap_or(u64::MAX);
        self.0.store(ms, Ordering::Relaxed);
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Default for Schedule {
    /// Every 10 seconds.
    fn default() -> Self {
        Self::every(Duration::from_secs(10))
    }
}

/// What an instance may use of the gateway.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Makes a device known, or tells what is new about it; gives its lasting id.
    ///
    /// # Errors
    /// When it belongs to somebody else, or there are too many.
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError>;

    /// A device is gone: it shows as offline. It keeps its id and history.
    fn withdraw(&self, device: &DeviceId);

    /// A device fails (with a reason), or works again.
    fn report(&self, device: &DeviceId, fault: Option<&str>);

    /// Takes readings in and waits until they are on disk.
    ///
    /// # Errors
    /// When they could not be put there.
    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError>;

    /// Takes readings in without waiting for the disk.
    ///
    /// # Errors
    /// Gives the batch back where there is no credit left.
    fn emit(&self, batch: Batch) -> Result<Receipt, Batch>;

    /// Keeps a state for the next run; it is written with the next commit.
    fn keep(&self, state: State);

    /// The gateway's clock.
    fn clock(&self) -> Reckoning;

    /// All devices of this instance fail (with a reason), or work again; what the host knows.
    fn instance_fault(&self, fault: Option<&str>);

    /// The instance stopped: all its devices show as offline.
    fn instance_gone(&self);
}

/// What a plugin is given when it is opened. Keep it for as long as devices come and go.
#[derive(Clone)]
pub struct OpenCx {
    /// The instance's name.
    pub instance: InstanceName,
    /// When it is polled: every 10 s unless it says otherwise here.
    pub schedule: Schedule,
    /// What it kept the last time.
    pub state: State,
    desk: Arc<dyn Desk>,
}

impl fmt::Debug for OpenCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCx").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl OpenCx {
    /// For hosts: what an instance is given.
    #[must_use]
    pub fn new(instance: InstanceName, state: State, desk: Arc<dyn Desk>) -> Self {
        Self { instance, schedule: Schedule::default(), state, desk }
    }

    /// Makes a device known, or tells what is new about it; gives its lasting id.
    ///
    /// # Errors
    /// When it belongs to somebody else, or there are too many.
    pub fn announce(&self, spec: DeviceSpec) -> Result<DeviceId, AnnounceError> {
        self.desk.announce(spec, self.schedule.interval())
    }

    /// A device is gone: it shows as offline. It keeps its id and history.
    pub fn withdraw(&self, device: &DeviceId) {
        self.desk.withdraw(device);
    }

    /// A device fails (with a reason), or works again.
    pub fn report(&self, device: &DeviceId, fault: Option<&str>) {
        self.desk.report(device, fault);
    }

    /// Keeps a state for the next run; it is written with the next commit.
    pub fn keep(&self, state: State) {
        self.desk.keep(state);
    }

    /// The gateway's clock.
    #[must_use]
    pub fn clock(&self) -> Reckoning {
        self.desk.clock()
    }
}

/// A command that waits for an answer. One that is dropped unanswered ends as failed.
#[derive(Debug)]
pub struct Asked {
    /// The command.
    pub command: Command,
    answer: oneshot::Sender<Outcome>,
}

impl Asked {
    /// For hosts: a command and where its outcome is awaited.
    #[must_use]
    pub fn new(command: Command) -> (Self, oneshot::Receiver<Outcome>) {
        let (answer, outcome) = oneshot::channel();
        (Self { command, answer }, outcome)
    }

    /// Answers it. An answer that comes after the deadline is heard by nobody.
    pub fn answer(self, outcome: Outcome) {
        if self.answer.send(outcome).is_err() {
            tracing::debug!(command = %self.command.id, "an answer came after the deadline");
        }
    }
}

/// What an instance is to do next.
#[derive(Debug)]
pub enum Turn {
    /// Poll.
    Tick,
    /// Carry out a command.
    Command(Asked),
    /// End.
    Stop,
}

/// Where turns come from: the host's side of [`Turns`].
#[async_trait(?Send)]
pub trait TurnSource {
    /// The next turn. Cancel-safe: nothing is lost when it is dropped.
    async fn next(&mut self) -> Turn;

    /// Takes readings in and waits until they are on disk.
    async fn submit(&mut self, batch: Batch) -> Result<Receipt, SubmitError>;

    /// How a poll ended: its readings are taken in, or its failure is shown and the next poll
    /// waits longer.
    fn polled(&mut self, polled: Result<Batch, &PollError>);

    /// How long a poll may take.
    fn time_limit(&self) -> Duration;
}

/// An instance's turns: ticks of its schedule, commands, and the end.
pub struct Turns {
    source: Box<dyn TurnSource>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

impl Turns {
    /// For hosts.
    #[must_use]
    pub fn new(source: Box<dyn TurnSource>) -> Self {
        Self { source }
    }

    /// The next turn. Cancel-safe, so a plugin that pushes may select on it.
    pub async fn next(&mut self) -> Turn {
        self.source.next().await
    }

    /// Takes readings in and waits until they are on disk: the acknowledgement for a sender.
    ///
    /// # Errors
    /// When they could not be put there.
    pub async fn submit(&mut self, batch: Batch) -> Result<Receipt, SubmitError> {
        self.source.submit(batch).await
    }

    /// Says how a poll ended, and runs it within its time limit.
    ///
    /// # Errors
    /// The poll's own error where it asks to be opened again.
    pub async fn poll(
        &mut self,
        poll: impl AsyncFnOnce(&mut Batch) -> Result<(), PollError>,
    ) -> Result<(), PollError> {
        let limit = self.source.time_limit();
        let mut batch = Batch::new();
        let polled = match tokio::time::timeout(limit, poll(&mut batch)).await {
            Ok(polled) => polled,
            Err(_) => Err(PollError::retry(format!("a poll took longer than {limit:?}"))),
        };
        match polled {
            Ok(()) => {
                self.source.polled(Ok(batch));
                Ok(())
            }
            Err(error) => {
                self.source.polled(Err(&error));
                if error.reopen { Err(error) } else { Ok(()) }
            }
        }
    }
}

/// Runs a command's future until its deadline; past it the dispatcher has already answered.
async fn within(time_left: Duration, work: impl Future<Output = Outcome>) -> Option<Outcome> {
    tokio::time::timeout(time_left, work).await.ok()
}

/// A plugin, as a Rust author writes it. It lives on a thread of its own and may block there.
///
/// Most plugins are polled: they implement `open` and `poll`, and the host keeps the schedule, the
/// time limit and the counters. One that must push overrides `run` and selects on
/// [`Turns::next`] and its own source.
#[expect(async_fn_in_trait, reason = "the futures stay on their instance's thread, so need no Send")]
pub trait Plugin: Sized + 'static {
    /// The name of its kind.
    const KIND: &'static str;

    /// Its configuration; the docs of its fields become the form.
    type Config: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static;

    /// Checks a configuration beyond its schema. Pure: touches nothing.
    ///
    /// # Errors
    /// What is wrong and where.
    fn validate(config: &Self::Config) -> Result<(), ConfigError> {
        let _ = config;
        Ok(())
    }

    /// Opens what it speaks to, and announces the devices that it knows already.
    ///
    /// # Errors
    /// When it cannot, with whether trying again may help.
    async fn open(config: Self::Config, cx: OpenCx) -> Result<Self, OpenError>;

    /// Reads its devices once.
    ///
    /// # Errors
    /// When it did not work. One sensor that fails is a bad reading, not an error.
    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError>;

    /// Carries out a command; its parameters fit the schema that was announced.
    async fn command(&mut self, command: &Command) -> Outcome {
        Outcome::Refused(format!("{} is not a command of this device", command.name))
    }

    /// Lives: for each turn calls `poll` or `command`, until it is told to stop.
    ///
    /// # Errors
    /// When it must be closed and opened again.
    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError> {
        loop {
            match turns.next().await {
                Turn::Tick => turns.poll(async |out: &mut Batch| self.poll(out).await).await?,
                Turn::Command(asked) => {
                    let work = self.command(&asked.command);
                    if let Some(outcome) = within(asked.command.time_left, work).await {
                        asked.answer(outcome);
                    }
                }
                Turn::Stop => return Ok(()),
            }
        }
    }

    /// Ends, and says what is to be kept for the next run.
    async fn close(self) -> State {
        State::none()
    }
}

/// A plugin that runs, whatever door it came through. Never leaves its thread.
#[async_trait(?Send)]
pub trait DynPlugin {
    /// See [`Plugin::run`].
    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError>;

    /// See [`Plugin::close`].
    async fn close(self: Box<Self>) -> State;
}

#[async_trait(?Send)]
impl<P: Plugin> DynPlugin for P {
    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError> {
        Plugin::run(self, turns).await
    }

    async fn close(self: Box<Self>) -> State {
        Plugin::close(*self).await
    }
}

/// What is known of a kind without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct KindInfo {
    /// Its name.
    pub kind: KindName,
    /// Its version.
    pub version: String,
    /// `linked`, `wasm`, `process`.
    pub door: &'static str,
    /// A JSON Schema (2020-12) of its configuration.
    pub config_schema: Json,
    /// Whether a failed instance may be started again; a closure that panicked is not.
    pub restartable: bool,
}

/// A kind of plugin, whatever door it comes through. Crosses threads.
pub trait PluginKind: Send + Sync {
    /// What is known of it without running it.
    fn describe(&self) -> KindInfo;

    /// Checks a configuration. Pure: touches nothing.
    ///
    /// # Errors
    /// What is wrong and where.
    fn validate(&self, config: &Json) -> Result<(), ConfigError>;

    /// Opens an instance. Called on the instance's own thread; what it gives never leaves it.
    ///
    /// # Errors
    /// When it cannot, with whether trying again may help.
    fn open<'a>(
        &'a self,
        config: Json,
        cx: OpenCx,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Box<dyn DynPlugin>, OpenError>> + 'a>>;
}

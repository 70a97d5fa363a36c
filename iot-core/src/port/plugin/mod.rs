//! Plugins: what an author writes, and the object-safe twins that the host holds.
//!
//! An author implements [`Plugin`]; its futures need not be `Send`, for each instance has a thread
//! and a current-thread runtime of its own, so a driver may block. The host holds [`PluginKind`]s,
//! which cross threads, and the [`DynPlugin`]s they open, which never leave theirs.

mod desk;
mod error;
mod turns;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::domain::{Batch, Command, KindName, Outcome, State};

pub use desk::{Desk, OpenCx, Receipt, Schedule, SubmitError};
pub use error::{AnnounceError, ConfigError, OpenError, PollError, Retry};
pub use turns::{Asked, Turn, TurnSource, Turns};

/// Runs a command's future until its deadline; past it the dispatcher has already answered.
async fn within(time_left: Duration, work: impl Future<Output = Outcome>) -> Option<Outcome> {
    tokio::time::timeout(time_left, work).await.ok()
}

/// A plugin, as a Rust author writes it. It lives on a thread of its own and may block there.
///
/// Most plugins are polled: they implement `open` and `poll`, and the host keeps the schedule, the
/// time limit and the counters. One that must push overrides `run` and selects on
/// [`Turns::next`] and its own source.
#[expect(
    async_fn_in_trait,
    reason = "the futures stay on their instance's thread, so need no Send"
)]
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

/// A future that opens a plugin; like the plugin, it never leaves its thread.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn DynPlugin>, OpenError>> + 'a>>;

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
    fn open<'a>(&'a self, config: Json, cx: OpenCx) -> Opening<'a>;
}

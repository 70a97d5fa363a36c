//! Turns: what an instance is to do next, and how it says what came of it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{PollError, Receipt, SubmitError};
use crate::domain::{Batch, Command, Outcome};

/// A command that waits for an answer. One that a running plugin drops unanswered ends as failed;
/// one whose plugin ended, or missed the deadline, as timed out: it may have run.
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

//! Commands: requests to a device, each with a deadline and exactly one outcome.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{CommandId, DeviceId, Timestamp};

/// What a sender asks for, before anything was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRequest {
    /// The sender's own identity for it; one is made where it is missing.
    pub id: Option<CommandId>,
    /// The device.
    pub device: DeviceId,
    /// The command's name.
    pub name: String,
    /// Its parameters, checked against the command's schema.
    pub params: Json,
    /// How long it may take; 10 s where it is missing, at most an hour.
    pub timeout: Option<Duration>,
}

/// A command as it reaches its device's plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its identity.
    pub id: CommandId,
    /// The device.
    pub device: DeviceId,
    /// The command's name.
    pub name: String,
    /// Its parameters, fitting the command's schema.
    pub params: Json,
    /// How long is left to answer.
    pub time_left: Duration,
}

/// What a plugin answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done; a result where there is one, `null` where not.
    Done(Json),
    /// It was tried and did not work, and why.
    Failed(String),
    /// It was not tried, and why.
    Refused(String),
    /// Nobody answered in time.
    TimedOut {
        /// Whether it was handed over, so that it may have run all the same.
        may_have_run: bool,
    },
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Written down, not yet handed over.
    Queued,
    /// Handed to the device's home.
    Sent,
    /// Ended: done.
    Done,
    /// Ended: tried, did not work.
    Failed,
    /// Ended: not tried.
    Refused,
    /// Ended: nobody answered in time.
    TimedOut,
}

impl CommandState {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Sent)
    }
}

/// A command as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Its identity, remembered for 24 hours.
    pub id: CommandId,
    /// The device.
    pub device_id: DeviceId,
    /// The command's name.
    pub name: String,
    /// Its parameters.
    pub params: Json,
    /// Where it stands.
    pub state: CommandState,
    /// Who asked.
    pub by: String,
    /// When it was asked.
    pub created: Timestamp,
    /// When it ends as `timed_out`.
    pub deadline: Timestamp,
    /// What the device answered when it was done.
    pub result: Option<Json>,
    /// Why it was not.
    pub error: Option<String>,
    /// It was handed over and nobody answered: it may have run.
    pub may_have_run: bool,
}

impl CommandRecord {
    /// The same command, handed over. Only a queued one can be.
    #[must_use]
    pub fn sent(&self) -> Option<Self> {
        (self.state == CommandState::Queued)
            .then(|| Self { state: CommandState::Sent, ..self.clone() })
    }

    /// The same command with its outcome. Only one that is not over can have one.
    #[must_use]
    pub fn ended(&self, outcome: Outcome) -> Option<Self> {
        if self.state.is_over() {
            return None;
        }
        let mut ended = self.clone();
        match outcome {
            Outcome::Done(result) => {
                ended.state = CommandState::Done;
                ended.result = (!result.is_null()).then_some(result);
            }
            Outcome::Failed(error) => {
                ended.state = CommandState::Failed;
                ended.error = Some(error);
            }
            Outcome::Refused(error) => {
                ended.state = CommandState::Refused;
                ended.error = Some(error);
            }
            Outcome::TimedOut { may_have_run } => {
                ended.state = CommandState::TimedOut;
                ended.may_have_run = may_have_run;
                ended.error = Some(
                    if may_have_run {
                        "nobody answered in time; the command may have run"
                    } else {
                        "it could not be handed to the device in time; it did not run"
                    }
                    .to_owned(),
                );
            }
        }
        Some(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> CommandRecord {
        CommandRecord {
            id: CommandId::fresh(),
            device_id: DeviceId::parse("pump").unwrap(),
            name: "set".into(),
            params: Json::Null,
            state: CommandState::Queued,
            by: "local".into(),
            created: Timestamp::default(),
            deadline: Timestamp::default(),
            result: None,
            error: None,
            may_have_run: false,
        }
    }

    #[test]
    fn a_command_ends_exactly_once() {
        let sent = record().sent().unwrap();
        assert!(sent.sent().is_none());
        let done = sent.ended(Outcome::Done(Json::from(1))).unwrap();
        assert_eq!(done.state, CommandState::Done);
        assert!(done.ended(Outcome::Failed("late".into())).is_none());
        assert!(done.sent().is_none());
    }
}

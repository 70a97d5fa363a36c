//! Turns that are written down beforehand, for running a plugin without a host.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::Batch;
use iot_core::port::{Desk, PollError, Receipt, SubmitError, Turn, TurnSource};

use super::desk::SimDesk;

/// Gives out some turns, and then [`Turn::Stop`] for ever.
#[derive(Debug)]
pub struct ScriptedTurns {
    turns: VecDeque<Turn>,
    desk: Arc<SimDesk>,
    time_limit: Duration,
}

impl ScriptedTurns {
    /// These turns, with a desk that takes what they bring.
    #[must_use]
    pub fn new(turns: impl IntoIterator<Item = Turn>, desk: Arc<SimDesk>) -> Self {
        let turns = turns.into_iter().collect();
        Self { turns, desk, time_limit: Duration::from_secs(10) }
    }
}

#[async_trait(?Send)]
impl TurnSource for ScriptedTurns {
    async fn next(&mut self) -> Turn {
        self.turns.pop_front().unwrap_or(Turn::Stop)
    }

    async fn submit(&mut self, batch: Batch) -> Result<Receipt, SubmitError> {
        self.desk.submit(batch).await
    }

    fn polled(&mut self, polled: Result<Batch, &PollError>) {
        match polled {
            Ok(batch) if batch.is_empty() => {}
            // A batch given back is counted as skipped by a host; here nothing is counted.
            Ok(batch) => drop(self.desk.emit(batch)),
            Err(error) => self.desk.instance_fault(Some(&error.why)),
        }
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }
}

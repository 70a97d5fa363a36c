//! What an instance is to do next, on its own thread: ticks of its schedule, commands, the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{Batch, InstanceState};
use iot_core::port::{Desk, PollError, Receipt, Schedule, SubmitError, Turn, TurnSource};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::instance::{Instance, Waiting};
use super::lease::RunDesk;
use super::limits::Limits;
use super::restart::BackOff;
use super::schedule::{Pause, Ticks};
use super::thread::Signals;

/// What is shown while the store does not keep up.
const NO_CREDIT: &str = "out of credit: the store does not keep up, polls are left out";

/// The turns of one run.
#[derive(Debug)]
pub(crate) struct RunTurns {
    pub(crate) instance: Arc<Instance>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) desk: Arc<RunDesk>,
    pub(crate) signals: Signals,
    pub(crate) schedule: Schedule,
    /// The interval that the supervisor goes by.
    pub(crate) interval: Duration,
    pub(crate) ticks: Ticks,
    pub(crate) commands: mpsc::Receiver<Waiting>,
    pub(crate) back_off: BackOff,
    pub(crate) stand: Stand,
    /// The last turn was a command.
    pub(crate) after_command: bool,
}

/// How the run's polls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Opened, no turn made yet: what failed before may fail again at once.
    Fresh,
    /// The first turn was given out.
    Trying,
    /// It works.
    Well,
    /// It works, but the store does not take what it reads.
    NoCredit,
    /// Its last poll failed.
    Failing,
}

impl RunTurns {
    /// The plugin comes for its next turn: a sign of life. When it comes for its second and its
    /// first did not fail, what failed before this run is over, for one that only pushes too.
    fn arrives(&mut self) {
        self.signals.pulse.busy();
        let interval = self.schedule.interval();
        if interval != self.interval {
            self.interval = interval;
            self.signals.new_interval.notify_one();
        }
        match self.stand {
            Stand::Fresh => self.stand = Stand::Trying,
            Stand::Trying if self.signals.lease.holds() => {
                self.stand = Stand::Well;
                self.instance.fault(None);
            }
            _ => {}
        }
    }

    fn works(&mut self) {
        self.signals.worked.store(true, Ordering::Relaxed);
        if self.stand != Stand::Well {
            if matches!(self.stand, Stand::Failing | Stand::NoCredit) {
                tracing::info!(instance = %self.instance.record.name, "polls work again");
            }
            self.stand = Stand::Well;
            self.back_off.reset();
            self.instance.report.set_by(&self.signals.lease, InstanceState::Running, None);
            self.instance.fault(None);
        }
    }

    /// What was polled is not taken in. It is not polled again for a moment, so that a flood that
    /// the store stopped does not go on heating the processor.
    fn out_of_credit(&mut self) {
        self.ticks.pause(Pause::NoCredit(Instant::now() + CREDIT_PAUSE));
        self.instance.report.skipped.fetch_add(1, Ordering::Relaxed);
        // The poll itself worked.
        self.back_off.reset();
        self.instance.fault(None);
        if self.stand != Stand::NoCredit {
            self.stand = Stand::NoCredit;
            let reason = Some(NO_CREDIT.to_owned());
            self.instance.report.set_by(&self.signals.lease, InstanceState::Running, reason);
            tracing::warn!(instance = %self.instance.record.name, "{NO_CREDIT}");
        }
    }

    fn fails(&mut self, error: &PollError) {
        let name = &self.instance.record.name;
        if self.stand == Stand::Failing {
            tracing::debug!(instance = %name, %error, "a poll failed again");
        } else {
            tracing::warn!(instance = %name, %error, "a poll failed");
        }
        self.stand = Stand::Failing;
        if !error.reopen {
            let pause = self.back_off.next(fastrand::f64());
            self.ticks.pause(Pause::BackOff(Instant::now() + pause));
        }
        let reason = Some(error.why.clone());
        self.instance.report.set_by(&self.signals.lease, InstanceState::BackingOff, reason);
        self.instance.fault(Some(&error.why));
    }
}

#[async_trait(?Send)]
impl TurnSource for RunTurns {
    async fn next(&mut self) -> Turn {
        self.arrives();
        loop {
            let due = self.ticks.due(self.schedule.interval());
            // Commands go first, and a tick that is due after each: neither starves the other.
            let tick_first = self.after_command && Instant::now() >= due;
            tokio::select! {
                biased;
                () = self.signals.lease.ended() => return Turn::Stop,
                () = self.signals.stop.cancelled() => return Turn::Stop,
                Some(waiting) = self.commands.recv(), if !tick_first => {
                    if let Some(asked) = waiting.take() {
                        self.after_command = true;
                        return Turn::Command(asked);
                    }
                }
                () = tokio::time::sleep_until(due) => {
                    self.after_command = false;
                    let left_out = self.ticks.take(Instant::now());
                    self.instance.report.skipped.fetch_add(left_out, Ordering::Relaxed);
                    if self.desk.has_credit() {
                        return Turn::Tick;
                    }
                    self.out_of_credit();
                }
            }
        }
    }

    async fn submit(&mut self, batch: Batch) -> Result<Receipt, SubmitError> {
        let receipt = self.desk.submit(batch).await?;
        self.works();
        Ok(receipt)
    }

    fn polled(&mut self, polled: Result<Batch, &PollError>) {
        if !self.signals.lease.holds() {
            return;
        }
        match polled {
            Ok(batch) if batch.is_empty() => self.works(),
            Ok(batch) => match self.desk.emit(batch) {
                Ok(_) => self.works(),
                Err(_) => self.out_of_credit(),
            },
            Err(error) => self.fails(error),
        }
    }

    fn time_limit(&self) -> Duration {
        self.limits.poll(self.schedule.interval())
    }
}

/// How long the store is left alone when it takes nothing.
const CREDIT_PAUSE: Duration = Duration::from_millis(100);

//! One instance: what it is, where it stands, and the way of its commands.
//!
//! The queue of commands: In: `deliver`. Out: the turns of the run that is open. Bound:
//! `Limits::commands` (16). When full: the command is refused as busy. Counter: none; each refusal
//! is the outcome of its command.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use iot_core::domain::{Command, InstanceRecord, InstanceState, InstanceStatus, Outcome, State};
use iot_core::port::{Asked, Desk, Launch, PluginKind, Unready};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lease::Lease;

/// An instance in the host's list.
pub(crate) struct Instance {
    pub(crate) record: InstanceRecord,
    pub(crate) kind: Arc<dyn PluginKind>,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) report: Report,
    /// What its plugin kept last.
    kept: Mutex<State>,
    commands: Mutex<Option<Queue>>,
}

/// The queue of the run that is open.
#[derive(Debug, Clone)]
struct Queue {
    sender: mpsc::Sender<Waiting>,
    lease: Lease,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("name", &self.record.name).finish_non_exhaustive()
    }
}

impl Instance {
    pub(crate) fn new(launch: Launch) -> Self {
        let Launch { record, kind, desk, state } = launch;
        let report = Report::new();
        Self { record, kind, desk, report, kept: Mutex::new(state), commands: Mutex::new(None) }
    }

    /// What its plugin kept last.
    pub(crate) fn kept(&self) -> State {
        lock(&self.kept).clone()
    }

    /// Keeps what the plugin wants kept, here for a restart and in the store for the next start.
    pub(crate) fn keep(&self, state: State) {
        if state.bytes.len() > State::MAX {
            tracing::warn!(
                instance = %self.record.name,
                bytes = state.bytes.len(),
                limit = State::MAX,
                "a plugin's state is too large and was not kept"
            );
            return;
        }
        lock(&self.kept).clone_from(&state);
        self.desk.keep(state);
    }

    /// All its devices fail, with a reason, or work again. Only changes are passed on.
    pub(crate) fn fault(&self, reason: Option<&str>) {
        let was = self.report.faulty.swap(reason.is_some(), Ordering::Relaxed);
        if was || reason.is_some() {
            self.desk.instance_fault(reason);
        }
    }

    /// A run is open: its commands are taken. One that was abandoned while it opened has no say.
    pub(crate) fn take_commands(&self, sender: mpsc::Sender<Waiting>, lease: &Lease) {
        let mut queue = lock(&self.commands);
        if lease.holds() {
            *queue = Some(Queue { sender, lease: lease.clone() });
        }
    }

    /// It is not open any more.
    pub(crate) fn refuse_commands(&self) {
        *lock(&self.commands) = None;
    }

    /// Whether a command could be handed over now.
    pub(crate) fn accepts(&self) -> Result<(), Unready> {
        let queue = lock(&self.commands).clone().map(|queue| queue.sender);
        match queue {
            Some(sender) if !sender.is_closed() && sender.capacity() == 0 => {
                Err(Unready::No(self.busy(sender.max_capacity())))
            }
            Some(sender) if !sender.is_closed() => Ok(()),
            _ if self.status().state == InstanceState::Starting => {
                Err(Unready::Soon(self.why_not()))
            }
            _ => Err(Unready::No(self.why_not())),
        }
    }

    /// Hands a command over and waits for its outcome.
    pub(crate) async fn deliver(&self, command: Command) -> Outcome {
        let Some(Queue { sender, lease }) = lock(&self.commands).clone() else {
            return Outcome::Refused(self.why_not());
        };
        let (waiting, answer) = Waiting::new(command);
        let (taken, deadline) = (Arc::clone(&waiting.taken), waiting.deadline);
        match sender.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Outcome::Refused(self.busy(sender.max_capacity()));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Outcome::Refused(self.why_not()),
        }
        let answered = tokio::select! {
            biased;
            answered = answer => answered.ok(),
            () = lease.ended() => None,
        };
        if let Some(outcome) = answered {
            return outcome;
        }
        if !taken.load(Ordering::Acquire) {
            let name = &self.record.name;
            return Outcome::Refused(format!(
                "instance {name} ended first; the command did not run"
            ));
        }
        // The plugin was at it: its time was over, or it ended, which is known a moment later.
        let over = deadline.min(Instant::now() + UNWINDING);
        let ended = tokio::time::timeout_at(over, sender.closed()).await.is_ok();
        if ended || !lease.holds() || Instant::now() >= deadline {
            Outcome::TimedOut { may_have_run: true }
        } else {
            Outcome::Failed("the plugin did not answer".to_owned())
        }
    }

    fn busy(&self, bound: usize) -> String {
        format!("busy: {bound} commands wait for instance {} already", self.record.name)
    }

    fn why_not(&self) -> String {
        let (state, reason) = self.report.stands();
        let name = &self.record.name;
        let why = match state {
            InstanceState::Starting => format!("instance {name} is starting"),
            InstanceState::Running => format!("instance {name} has just ended"),
            InstanceState::BackingOff => format!("instance {name} failed and is tried again later"),
            InstanceState::GaveUp => format!("instance {name} gave up"),
            InstanceState::Stopped => format!("instance {name} is stopped"),
            InstanceState::WaitingForGrant => format!("instance {name} waits for a permission"),
        };
        match reason {
            Some(reason) => format!("{why}: {reason}"),
            None => why,
        }
    }

    /// As it is shown.
    pub(crate) fn status(&self) -> InstanceStatus {
        let (state, reason) = self.report.stands();
        let report = &self.report;
        InstanceStatus {
            record: self.record.clone(),
            state,
            reason,
            readings: report.readings.load(Ordering::Relaxed),
            skipped: report.skipped.load(Ordering::Relaxed),
            restarts: report.restarts.load(Ordering::Relaxed),
        }
    }
}

/// How long a run that panicked may take to let go of its queue.
const UNWINDING: Duration = Duration::from_millis(200);

/// A command in an instance's queue.
#[derive(Debug)]
pub(crate) struct Waiting {
    asked: Asked,
    deadline: Instant,
    taken: Arc<AtomicBool>,
}

impl Waiting {
    fn new(command: Command) -> (Self, tokio::sync::oneshot::Receiver<Outcome>) {
        let deadline = Instant::now() + command.time_left;
        let (asked, answer) = Asked::new(command);
        (Self { asked, deadline, taken: Arc::new(AtomicBool::new(false)) }, answer)
    }

    /// Takes it out of the queue, with what is left of its time; none when nothing is left: it does
    /// not run then.
    pub(crate) fn take(mut self) -> Option<Asked> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.asked.answer(Outcome::TimedOut { may_have_run: false });
            return None;
        }
        self.asked.command.time_left = left;
        self.taken.store(true, Ordering::Release);
        Some(self.asked)
    }
}

/// Where an instance stands.
#[derive(Debug)]
pub(crate) struct Report {
    stand: Mutex<(InstanceState, Option<String>)>,
    abandoned: Mutex<Vec<Abandoned>>,
    pub(crate) readings: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) restarts: AtomicU64,
    faulty: AtomicBool,
}

/// A thread that did not come back, as long as it does not.
#[derive(Debug)]
struct Abandoned {
    thread: JoinHandle<()>,
    what: String,
}

impl Report {
    fn new() -> Self {
        Self {
            stand: Mutex::new((InstanceState::Starting, None)),
            abandoned: Mutex::new(Vec::new()),
            readings: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            faulty: AtomicBool::new(false),
        }
    }

    /// The supervisor's word.
    pub(crate) fn set(&self, state: InstanceState, reason: Option<String>) {
        *lock(&self.stand) = (state, reason);
    }

    /// It is tried again; why it had to be is shown until it runs.
    pub(crate) fn starting(&self) {
        lock(&self.stand).0 = InstanceState::Starting;
    }

    /// A run's word: it counts only while that run has the lease.
    pub(crate) fn set_by(&self, lease: &Lease, state: InstanceState, reason: Option<String>) {
        let mut stand = lock(&self.stand);
        if lease.holds() {
            *stand = (state, reason);
        }
    }

    /// Takes the lease from a run whose thread did not come back, and remembers the thread.
    pub(crate) fn abandon(&self, lease: &Lease, thread: JoinHandle<()>, what: String) {
        let stand = lock(&self.stand);
        lease.end();
        drop(stand);
        lock(&self.abandoned).push(Abandoned { thread, what });
    }

    /// State and reason; threads that are still abandoned are always named.
    pub(crate) fn stands(&self) -> (InstanceState, Option<String>) {
        let (state, reason) = lock(&self.stand).clone();
        let mut abandoned = lock(&self.abandoned);
        abandoned.retain(|a| !a.thread.is_finished());
        let mut words: Vec<String> = reason.into_iter().collect();
        for Abandoned { what, .. } in &*abandoned {
            if !words.iter().any(|word| word.contains(what)) {
                words.push(what.clone());
            }
        }
        (state, (!words.is_empty()).then(|| words.join("; ")))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! One run of an instance: a thread with a current-thread runtime, from open to close.
//!
//! Whatever panics on it (opening, a poll, a command, closing, a destructor) ends this run and
//! nothing else, which needs unwinding.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use iot_core::domain::InstanceState;
use iot_core::port::{OpenCx, OpenError, Schedule, Turns};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::instance::Instance;
use super::lease::{Lease, RunDesk};
use super::limits::Limits;
use super::pulse::Pulse;
use super::restart::{BackOff, Failure};
use super::schedule::Ticks;
use super::turns::{RunTurns, Stand};

#[cfg(not(panic = "unwind"))]
compile_error!("a plugin's panic must end its instance only: build with panic = \"unwind\"");

/// A run, as its supervisor sees it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) thread: JoinHandle<()>,
    pub(crate) name: String,
    pub(crate) schedule: Schedule,
    pub(crate) signals: Signals,
    /// How it ended: none when it was told to.
    pub(crate) ended: oneshot::Receiver<Option<Failure>>,
}

/// What passes between a run and its supervisor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    pub(crate) lease: Lease,
    pub(crate) pulse: Pulse,
    /// The interval is another than it was.
    pub(crate) new_interval: Arc<Notify>,
    /// Something worked in this run.
    pub(crate) worked: Arc<AtomicBool>,
    /// Stop when the turn at hand is done …
    pub(crate) stop: CancellationToken,
    /// … and now even if it is not.
    pub(crate) hurry: CancellationToken,
}

impl Run {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(instance: &Arc<Instance>, limits: &Arc<Limits>) -> io::Result<Self> {
        let signals = Signals::default();
        let lease = signals.lease.clone();
        let desk = Arc::new(RunDesk { instance: Arc::clone(instance), lease });
        let cx = OpenCx::new(instance.record.name.clone(), instance.kept(), desk.clone());
        let schedule = cx.schedule.clone();
        let (tell, ended) = oneshot::channel();
        let live = Live {
            instance: Arc::clone(instance),
            limits: Arc::clone(limits),
            desk,
            signals: signals.clone(),
        };
        // Linux shows 15 bytes of a thread's name; an instance's name is ASCII.
        let mut name = format!("iot-{}", instance.record.name);
        name.truncate(15);
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .stack_size(limits.stack)
            .spawn(move || run_and_tell(live, cx, tell))?;
        Ok(Self { thread, name, schedule, signals, ended })
    }
}

/// The thread's own side of a run.
struct Live {
    instance: Arc<Instance>,
    limits: Arc<Limits>,
    desk: Arc<RunDesk>,
    signals: Signals,
}

fn run_and_tell(live: Live, cx: OpenCx, tell: oneshot::Sender<Option<Failure>>) {
    let ended = match catch_unwind(AssertUnwindSafe(|| on_runtime(live, cx))) {
        Ok(ended) => ended,
        Err(panic) => {
            let words = panic_words(&*panic);
            // What was thrown may itself throw when it is dropped.
            if catch_unwind(AssertUnwindSafe(|| drop(panic))).is_err() {
                tracing::debug!("a panic's payload panicked");
            }
            Some(Failure::Panic(words))
        }
    };
    // Nobody listens when the run was abandoned.
    tell.send(ended).ok();
}

fn on_runtime(live: Live, cx: OpenCx) -> Option<Failure> {
    let (busy, asleep) = (live.signals.pulse.clone(), live.signals.pulse.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("iot-plugin-io")
        .thread_stack_size(live.limits.stack)
        .on_thread_unpark(move || busy.busy())
        .on_thread_park(move || asleep.asleep())
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("the system gives no runtime: {error}");
            return Some(Failure::Open(OpenError::soon(why)));
        }
    };
    let pulse = live.signals.pulse.clone();
    let ended = runtime.block_on(pulse.watch(live.live(cx)));
    // Not waited for: a blocking task of the plugin's own may never end.
    runtime.shutdown_background();
    ended
}

impl Live {
    async fn live(self, cx: OpenCx) -> Option<Failure> {
        let schedule = cx.schedule.clone();
        let config = self.instance.record.config.clone();
        let kind = Arc::clone(&self.instance.kind);
        let limit = self.limits.open;
        let opened = tokio::select! {
            biased;
            () = self.signals.lease.ended() => return None,
            () = self.signals.stop.cancelled() => return None,
            opened = tokio::time::timeout(limit, kind.open(config, cx)) => opened,
        };
        let mut plugin = match opened {
            Ok(Ok(plugin)) => plugin,
            Ok(Err(error)) => return Some(Failure::Open(error)),
            Err(_) => {
                let why = format!("opening took longer than {limit:?}");
                return Some(Failure::Open(OpenError::soon(why)));
            }
        };
        let mut turns = Turns::new(Box::new(self.turns(schedule)));
        self.instance.report.set_by(&self.signals.lease, InstanceState::Running, None);
        let ran = tokio::select! {
            biased;
            () = self.signals.lease.ended() => return None,
            () = self.signals.hurry.cancelled() => Ok(()),
            ran = plugin.run(&mut turns) => ran,
        };
        drop(turns);
        let closed = tokio::select! {
            biased;
            () = self.signals.lease.ended() => return None,
            closed = tokio::time::timeout(self.limits.stop, plugin.close()) => closed,
        };
        match closed {
            Ok(state) if !state.is_none() && self.signals.lease.holds() => {
                self.instance.keep(state);
            }
            Ok(_) => {}
            Err(_) => {
                let name = &self.instance.record.name;
                tracing::warn!(instance = %name, "a plugin did not close in time");
            }
        }
        match ran {
            Ok(()) if self.signals.stop.is_cancelled() => None,
            Ok(()) => Some(Failure::Reopen("the plugin ended by itself".to_owned())),
            Err(error) => Some(Failure::Reopen(error.why)),
        }
    }

    fn turns(&self, schedule: Schedule) -> RunTurns {
        let (queue, commands) = mpsc::channel(self.limits.commands);
        self.instance.take_commands(queue, &self.signals.lease);
        RunTurns {
            instance: Arc::clone(&self.instance),
            desk: Arc::clone(&self.desk),
            limits: Arc::clone(&self.limits),
            ticks: Ticks::new(Instant::now(), schedule.interval()),
            schedule,
            commands,
            signals: self.signals.clone(),
            interval: Schedule::default().interval(),
            back_off: BackOff::new(self.limits.restart),
            stand: Stand::Fresh,
            after_command: false,
        }
    }
}

fn panic_words(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    words.unwrap_or_else(|| "without words".to_owned())
}

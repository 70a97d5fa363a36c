//! Starts runs of one instance, watches them, and decides what follows a failure. One task an
//! instance; it ends when the instance is stopped or given up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as StdInstant};

use iot_core::domain::InstanceState;
use iot_core::port::OpenError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::instance::Instance;
use super::limits::Limits;
use super::pulse::Watch;
use super::restart::{Failure, Restarts, Verdict};
use super::thread::Run;

/// Runs an instance until `stop`, or until it is given up.
pub(crate) async fn supervise(
    instance: Arc<Instance>,
    limits: Arc<Limits>,
    stop: CancellationToken,
) {
    let mut restarts = Restarts::new(limits.restart, instance.kind.describe().restartable);
    let name = &instance.record.name;
    loop {
        instance.report.starting();
        let failed = run_once(&instance, &limits, &stop, &mut restarts).await;
        instance.refuse_commands();
        let Some(failure) = failed else { break };
        match restarts.failed(&failure, Instant::now(), fastrand::f64()) {
            Verdict::Retry(pause) => {
                tracing::warn!(instance = %name, error = %failure, ?pause, "an instance failed");
                instance.report.set(InstanceState::BackingOff, Some(failure.to_string()));
                instance.fault(Some(&failure.to_string()));
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = sleep(pause) => {}
                }
                instance.report.restarts.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::GiveUp(why) => {
                tracing::error!(instance = %name, error = %why, "an instance is given up");
                instance.report.set(InstanceState::GaveUp, Some(why));
                instance.desk.instance_gone();
                return;
            }
        }
    }
    instance.report.set(InstanceState::Stopped, None);
    instance.desk.instance_gone();
}

/// One run; none when it was stopped.
async fn run_once(
    instance: &Arc<Instance>,
    limits: &Arc<Limits>,
    stop: &CancellationToken,
    restarts: &mut Restarts,
) -> Option<Failure> {
    let mut run = match Run::start(instance, limits) {
        Ok(run) => run,
        Err(error) => {
            let why = format!("the system gives no thread: {error}");
            return Some(Failure::Open(OpenError::soon(why)));
        }
    };
    let worked = Arc::clone(&run.signals.worked);
    let mut watch = Watch::new(run.signals.pulse.clone());
    let failed = loop {
        let again = match watch.look(StdInstant::now(), limits.hang(run.schedule.interval())) {
            Ok(after) => break Some(abandon_hung(instance, run, after)),
            Err(again) => again,
        };
        tokio::select! {
            biased;
            ended = &mut run.ended => break ended.unwrap_or_else(|_| lost()),
            () = stop.cancelled() => break end(instance, run, limits.stop).await,
            () = run.signals.new_interval.notified() => {}
            () = sleep(again) => {}
        }
    };
    if worked.load(Ordering::Relaxed) {
        restarts.worked();
    }
    failed
}

/// The thread ended without a word, which only a panic outside the plugin can bring about.
fn lost() -> Option<Failure> {
    Some(Failure::Panic("the thread ended without a word".to_owned()))
}

/// Gives up on a thread that does not come back.
fn abandon_hung(instance: &Instance, run: Run, after: Duration) -> Failure {
    let after = Duration::from_millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let failure = Failure::Hang { thread: run.name.clone(), after };
    tracing::error!(
        instance = %instance.record.name,
        thread = %run.name,
        ?after,
        "a plugin's thread hung and is abandoned"
    );
    instance.report.abandon(&run.signals.lease, run.thread, failure.to_string());
    failure
}

/// Ends a run within its time: first when its turn is done, then in the middle of it, and where it
/// blocks its thread, without it.
async fn end(instance: &Instance, mut run: Run, within: Duration) -> Option<Failure> {
    run.signals.stop.cancel();
    let patience = within.mul_f64(0.75);
    let mut ended = timeout(patience, &mut run.ended).await;
    if ended.is_err() {
        run.signals.hurry.cancel();
        ended = timeout(within - patience, &mut run.ended).await;
    }
    match ended {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(failure))) => {
            let name = &instance.record.name;
            tracing::warn!(instance = %name, error = %failure, "an instance failed while it stopped");
        }
        Ok(Err(_)) => {
            tracing::error!(instance = %instance.record.name, "a thread ended without a word");
        }
        Err(_) => {
            let what =
                format!("thread {} did not stop within {within:?} and was abandoned", run.name);
            tracing::error!(
                instance = %instance.record.name,
                thread = %run.name,
                "a plugin's thread did not stop in time and is abandoned"
            );
            instance.report.abandon(&run.signals.lease, run.thread, what);
        }
    }
    None
}

//! What follows a failure: a policy that is a value, and a state machine that is told the time.
//!
//! The world not being ready is no fault of the plugin: it is tried again for ever, ever more
//! slowly. A panic or a hang is: three restarts in an hour, then a person must look at it.

use std::collections::VecDeque;
use std::time::Duration;

use iot_core::port::{OpenError, Retry};
use tokio::time::Instant;

/// How a host deals with failures.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RestartPolicy {
    /// The first pause; each is twice the one before.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// Each pause is longer or shorter by up to this part, so that instances that failed together
    /// do not return together.
    pub jitter: f64,
    /// How often an instance that panicked or hung is started again …
    pub restarts: usize,
    /// … within this time.
    pub within: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            jitter: 0.2,
            restarts: 3,
            within: Duration::from_secs(3600),
        }
    }
}

/// Pauses that grow until something works.
#[derive(Debug)]
pub(crate) struct BackOff {
    policy: RestartPolicy,
    failures: u32,
}

impl BackOff {
    pub(crate) fn new(policy: RestartPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// The next pause. `draw` is a random number from 0 to 1.
    pub(crate) fn next(&mut self, draw: f64) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = self.policy.first.saturating_mul(doubled).min(self.policy.longest);
        pause.mul_f64(1.0 + self.policy.jitter * (2.0 * draw - 1.0))
    }

    /// Something worked: the next pause is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// How a run of an instance failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It could not be opened.
    #[error("{0}")]
    Open(OpenError),
    /// It asked to be closed and opened again, or ended by itself.
    #[error("{0}")]
    Reopen(String),
    /// It panicked.
    #[error("panicked: {0}")]
    Panic(String),
    /// Its thread gave no sign of life.
    #[error("thread {thread} hung and was abandoned after {after:?}")]
    Hang {
        /// The thread's name.
        thread: String,
        /// How long it gave none.
        after: Duration,
    },
}

/// What is to be done about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start it again after a pause.
    Retry(Duration),
    /// Leave it alone, and why.
    GiveUp(String),
}

/// The failures of one instance since a person started it.
#[derive(Debug)]
pub(crate) struct Restarts {
    back_off: BackOff,
    crashes: VecDeque<Instant>,
    restartable: bool,
}

impl Restarts {
    pub(crate) fn new(policy: RestartPolicy, restartable: bool) -> Self {
        Self { back_off: BackOff::new(policy), crashes: VecDeque::new(), restartable }
    }

    /// A run worked before it failed: pauses begin anew.
    pub(crate) fn worked(&mut self) {
        self.back_off.reset();
    }

    /// Judges a failure. `draw` is a random number from 0 to 1.
    pub(crate) fn failed(&mut self, failure: &Failure, now: Instant, draw: f64) -> Verdict {
        let crash = match failure {
            Failure::Open(error) if error.retry == Retry::Never => {
                return Verdict::GiveUp(failure.to_string());
            }
            Failure::Open(_) => return Verdict::Retry(self.back_off.next(draw)),
            Failure::Reopen(_) => false,
            Failure::Panic(_) | Failure::Hang { .. } => true,
        };
        if !self.restartable {
            return Verdict::GiveUp(format!("{failure}; this kind is not started a second time"));
        }
        if crash {
            let RestartPolicy { restarts, within, .. } = self.back_off.policy;
            self.crashes.retain(|at| now.saturating_duration_since(*at) < within);
            if self.crashes.len() >= restarts {
                return Verdict::GiveUp(format!(
                    "{failure}; given up after {restarts} restarts within {}",
                    span(within)
                ));
            }
            self.crashes.push_back(now);
        }
        Verdict::Retry(self.back_off.next(draw))
    }
}

fn span(time: Duration) -> String {
    if time == Duration::from_secs(3600) { "an hour".to_owned() } else { format!("{time:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn panic() -> Failure {
        Failure::Panic("no".into())
    }

    #[test]
    fn pauses_double_to_the_longest_and_stay_within_their_jitter() {
        let mut back_off = BackOff::new(RestartPolicy::default());
        let pauses: Vec<u128> = (0..9).map(|_| back_off.next(MIDDLE).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        for _ in 0..100 {
            back_off.next(MIDDLE);
        }
        assert_eq!(back_off.next(0.0), Duration::from_secs(24));
        assert_eq!(back_off.next(1.0), Duration::from_secs(36));
        back_off.reset();
        assert_eq!(back_off.next(MIDDLE).as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn three_crashes_in_an_hour_are_borne_and_a_fourth_is_not() {
        let mut restarts = Restarts::new(RestartPolicy::default(), true);
        for _ in 0..3 {
            restarts.worked();
            let verdict = restarts.failed(&panic(), Instant::now(), MIDDLE);
            assert_eq!(verdict, Verdict::Retry(Duration::from_millis(500)));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        let Verdict::GiveUp(why) = restarts.failed(&panic(), Instant::now(), MIDDLE) else {
            panic!("it is given up");
        };
        assert_eq!(why, "panicked: no; given up after 3 restarts within an hour");
        // An hour after the first, one more is borne.
        tokio::time::advance(Duration::from_secs(3600 - 180)).await;
        let hang = Failure::Hang { thread: "iot-a".into(), after: Duration::from_secs(3) };
        assert!(matches!(restarts.failed(&hang, Instant::now(), MIDDLE), Verdict::Retry(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_world_that_is_not_ready_is_tried_for_ever() {
        let mut restarts = Restarts::new(RestartPolicy::default(), true);
        for _ in 0..50 {
            let soon = Failure::Open(OpenError::soon("no bus"));
            assert!(matches!(restarts.failed(&soon, Instant::now(), MIDDLE), Verdict::Retry(_)));
            let reopen = Failure::Reopen("gone".into());
            assert!(matches!(restarts.failed(&reopen, Instant::now(), MIDDLE), Verdict::Retry(_)));
        }
        let never = Failure::Open(OpenError::never("no such pin"));
        let verdict = restarts.failed(&never, Instant::now(), MIDDLE);
        assert_eq!(verdict, Verdict::GiveUp("no such pin".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closure_is_not_started_a_second_time() {
        let mut restarts = Restarts::new(RestartPolicy::default(), false);
        let Verdict::GiveUp(why) = restarts.failed(&panic(), Instant::now(), MIDDLE) else {
            panic!("it is given up");
        };
        assert!(why.contains("not started a second time"), "{why}");
    }
}

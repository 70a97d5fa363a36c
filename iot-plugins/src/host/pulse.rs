//! Whether a thread still comes back to its runtime, without a heartbeat that would wake it.
//!
//! The thread notes the time whenever its runtime takes up work and whenever it goes to sleep. One
//! that is asleep is fine however long; one that took up work and did not come back is blocked,
//! whether in `open`, a poll, a command or a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The last sign of life of a thread. Clones speak of the same thread.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    start: Instant,
    /// Microseconds from `start` to when work was last taken up, and one more; 0 is asleep.
    busy: Arc<AtomicU64>,
}

impl Default for Pulse {
    /// A thread that is busy from now on.
    fn default() -> Self {
        Self { start: Instant::now(), busy: Arc::new(AtomicU64::new(1)) }
    }
}

impl Pulse {
    /// The thread takes up work.
    pub(crate) fn busy(&self) {
        let us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.busy.store(us + 1, Ordering::Relaxed);
    }

    /// The thread goes to sleep.
    pub(crate) fn asleep(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// Since when the thread has been busy; none when it sleeps.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        match self.busy.load(Ordering::Relaxed) {
            0 => None,
            us => Some(self.start + Duration::from_micros(us - 1)),
        }
    }

    /// The same future, each of whose steps is a sign of life: a thread that always has work never
    /// sleeps, and is not blocked for that.
    pub(crate) fn watch<F: Future>(&self, future: F) -> Watched<F> {
        Watched { future: Box::pin(future), pulse: self.clone() }
    }
}

/// See [`Pulse::watch`].
pub(crate) struct Watched<F> {
    future: Pin<Box<F>>,
    pulse: Pulse,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.pulse.busy();
        let polled = self.future.as_mut().poll(cx);
        self.pulse.busy();
        polled
    }
}

/// Judges a pulse over time. It bears that the whole process stood still: time that the judge
/// itself missed is not held against the thread.
#[derive(Debug)]
pub(crate) struct Watch {
    pulse: Pulse,
    planned: Instant,
    not_before: Instant,
}

impl Watch {
    /// The longest time between two looks, for an interval may become shorter meanwhile.
    const LONGEST: Duration = Duration::from_secs(5);

    pub(crate) fn new(pulse: Pulse) -> Self {
        let now = Instant::now();
        Self { pulse, planned: now, not_before: now }
    }

    /// One look: for how long the thread has been blocked past its limit, or when to look again.
    pub(crate) fn look(&mut self, now: Instant, limit: Duration) -> Result<Duration, Duration> {
        if now.saturating_duration_since(self.planned) > (limit / 2).min(Self::LONGEST) {
            self.not_before = now;
        }
        let busy = self
            .pulse
            .busy_since()
            .map(|since| now.saturating_duration_since(since.max(self.not_before)));
        let again = match busy {
            Some(busy) if busy >= limit => return Ok(busy),
            // Exactly when the limit would be reached.
            Some(busy) => (limit - busy).min(limit / 2),
            None => limit / 2,
        };
        let again = again.clamp(Duration::from_millis(1), Self::LONGEST);
        self.planned = now + again;
        Err(again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[test]
    fn a_sleeping_thread_is_fine_and_a_blocked_one_is_seen_at_its_limit() {
        let pulse = Pulse::default();
        let mut watch = Watch::new(pulse.clone());
        pulse.asleep();
        let mut now = Instant::now();
        for _ in 0..100 {
            now += watch.look(now, LIMIT).unwrap_err();
        }
        pulse.busy();
        let mut now = Instant::now();
        let mut watch = Watch::new(pulse);
        let blocked = loop {
            match watch.look(now, LIMIT) {
                Ok(blocked) => break blocked,
                Err(again) => now += again,
            }
        };
        assert!(blocked >= LIMIT && blocked < LIMIT + Duration::from_millis(50), "{blocked:?}");
    }

    #[test]
    fn a_process_that_stood_still_blames_no_thread() {
        let pulse = Pulse::default();
        let mut watch = Watch::new(pulse);
        let mut now = Instant::now();
        now += watch.look(now, LIMIT).unwrap_err();
        now += Duration::from_secs(60);
        let again = watch.look(now, LIMIT).expect_err("the judge was away too");
        now += again;
        assert!(watch.look(now, LIMIT).is_err());
        now += LIMIT / 2;
        assert!(watch.look(now, LIMIT).is_ok(), "then its time runs as ever");
    }
}

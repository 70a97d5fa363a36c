//! When an instance is polled: at once, then at `start + n × interval`, whatever a poll took.
//!
//! Pure: it is told the time. A poll that comes late is made once and the ticks that it overran are
//! left out and counted, so that there is never a burst; the grid stays where it was, so that there
//! is no drift. A changed interval begins a new grid at the last tick.

use std::time::Duration;

use tokio::time::Instant;

/// A time without ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// A failed poll's back-off: what it leaves out was not missed.
    BackOff(Instant),
    /// The store takes nothing: what it leaves out is counted.
    NoCredit(Instant),
}

/// The ticks of one run of an instance.
#[derive(Debug)]
pub(crate) struct Ticks {
    /// The tick that the grid counts from.
    origin: Instant,
    interval: Duration,
    /// The number on the grid of the next tick.
    next: u32,
    /// The last tick that was taken.
    last: Option<Instant>,
    /// No tick before this.
    not_before: Option<Pause>,
}

impl Ticks {
    /// The first tick is due now.
    pub(crate) fn new(now: Instant, interval: Duration) -> Self {
        Self { origin: now, interval, next: 0, last: None, not_before: None }
    }

    /// When the next tick is due, by the interval that holds now.
    pub(crate) fn due(&mut self, interval: Duration) -> Instant {
        if interval != self.interval {
            self.interval = interval;
            if let Some(last) = self.last {
                self.origin = last;
                self.next = 1;
            }
        }
        let due = self.at(self.next);
        match self.not_before {
            Some(Pause::BackOff(until) | Pause::NoCredit(until)) => until.max(due),
            None => due,
        }
    }

    /// Takes the tick that is due, and says how many before it were left out.
    pub(crate) fn take(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        let newest = passed / self.interval.as_nanos().max(1);
        let newest = u32::try_from(newest).unwrap_or(u32::MAX).max(self.next);
        let left_out = newest - self.next;
        self.last = Some(self.at(newest));
        self.next = newest.saturating_add(1);
        if self.next >= REBASE {
            self.origin = self.at(newest);
            self.next = 1;
        }
        match self.not_before.take() {
            Some(Pause::BackOff(_)) => 0,
            Some(Pause::NoCredit(_)) | None => u64::from(left_out),
        }
    }

    /// No tick before the pause is over.
    pub(crate) fn pause(&mut self, pause: Pause) {
        self.not_before = Some(pause);
    }

    fn at(&self, number: u32) -> Instant {
        self.origin + self.interval.saturating_mul(number)
    }
}

/// Past this many ticks the grid is counted from its newest one, so that the count never overflows.
const REBASE: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_first_is_at_once_and_none_drifts() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND);
        for n in 0..100 {
            let due = ticks.due(SECOND);
            assert_eq!(due, start + SECOND * n);
            tokio::time::sleep_until(due).await;
            assert_eq!(ticks.take(Instant::now()), 0);
            // The poll takes most of the interval.
            tokio::time::advance(Duration::from_millis(900)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_poll_is_made_once_and_the_missed_are_counted() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND);
        assert_eq!(ticks.take(start), 0);
        tokio::time::advance(Duration::from_millis(3500)).await;
        assert!(ticks.due(SECOND) < Instant::now(), "one catches up at once");
        assert_eq!(ticks.take(Instant::now()), 2, "1 and 2 are left out, 3 is late");
        assert_eq!(ticks.due(SECOND), start + SECOND * 4, "back on the grid");
        // A day of standstill is one tick too.
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(ticks.take(Instant::now()), 86_399);
        assert!(ticks.due(SECOND) > Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_interval_holds_from_the_last_tick() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND);
        ticks.take(start);
        let short = Duration::from_millis(100);
        assert_eq!(ticks.due(short), start + short);
        tokio::time::advance(short).await;
        ticks.take(Instant::now());
        assert_eq!(ticks.due(SECOND * 10), start + short + SECOND * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_changed_while_opening_holds_at_once() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND * 10);
        assert_eq!(ticks.due(SECOND), start);
        ticks.take(start);
        assert_eq!(ticks.due(SECOND), start + SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_back_off_delays_and_counts_nothing() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND);
        ticks.take(start);
        ticks.pause(Pause::BackOff(start + Duration::from_millis(4300)));
        assert_eq!(ticks.due(SECOND), start + Duration::from_millis(4300));
        tokio::time::advance(Duration::from_millis(4300)).await;
        assert_eq!(ticks.take(Instant::now()), 0);
        assert_eq!(ticks.due(SECOND), start + SECOND * 5, "on the grid again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_for_want_of_credit_is_counted() {
        let start = Instant::now();
        let ms = Duration::from_millis(1);
        let mut ticks = Ticks::new(start, ms);
        ticks.take(start);
        ticks.pause(Pause::NoCredit(start + ms * 100));
        tokio::time::sleep_until(ticks.due(ms)).await;
        assert_eq!(ticks.take(Instant::now()), 99);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grid_outlives_its_count() {
        let start = Instant::now();
        let ms = Duration::from_millis(1);
        let mut ticks = Ticks::new(start, ms);
        ticks.take(start + ms * (REBASE - 1));
        assert_eq!(ticks.due(ms), start + ms * REBASE);
        ticks.take(start + ms * REBASE);
        assert_eq!(ticks.due(ms), start + ms * (REBASE + 1));
    }
}

//! When to commit. Pure: what waits goes in, a verdict comes out.
//!
//! The first that holds: (a) a command, a configuration change or a stop waits: at once; (b) one
//! sender waits with 8 readings or more, or 64 wait in all: at once; (c) a sender waits and the
//! budget holds one: at once, drawing it; (d) the oldest reading is `commit_interval` old. Beside
//! these, 10,000 readings fill a row and are committed at once. Only (c) draws on the budget, which
//! is full at start and refills steadily: a sender with many in flight runs at full speed, a lone
//! one is quick for a while, a trickle does not wear the card.

use std::time::Duration;

use tokio::time::Instant;

/// The most readings in one row of the log.
pub const ROW: usize = 10_000;
const ONE_SENDER: usize = 8;
const IN_ALL: usize = 64;
const BUDGET: f64 = 500.0;

/// How much a disk minds small commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wear {
    /// An SSD: 50 ms, 20 quick commits a second.
    #[default]
    Ssd,
    /// An SD card: 500 ms, 2 quick commits a second.
    Sd,
}

/// What waits to be committed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiting {
    /// A command, a configuration change or a stop waits.
    pub urgent: bool,
    /// Readings whose senders wait.
    pub waiting: usize,
    /// The most readings that one sender waits with.
    pub one_sender: usize,
    /// Readings in all.
    pub readings: usize,
    /// When the oldest reading (or change that may wait) came.
    pub oldest: Option<Instant>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Commit now.
    Now,
    /// Ask again at this time, or when something comes.
    At(Instant),
    /// Nothing waits.
    Idle,
}

/// The commit policy with its budget.
#[derive(Debug, Clone)]
pub struct Policy {
    interval: Duration,
    refill: f64,
    budget: f64,
    counted: Instant,
}

impl Policy {
    /// A policy with a full budget.
    #[must_use]
    pub fn new(wear: Wear, now: Instant) -> Self {
        let (interval, refill) = match wear {
            Wear::Ssd => (Duration::from_millis(50), 20.0),
            Wear::Sd => (Duration::from_millis(500), 2.0),
        };
        Self { interval, refill, budget: BUDGET, counted: now }
    }

    /// Decides, and draws on the budget where rule (c) says "now".
    pub fn decide(&mut self, now: Instant, what: &Waiting) -> Verdict {
        let passed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.budget = (self.budget + passed * self.refill).min(BUDGET);
        self.counted = now;
        if what.urgent
            || what.one_sender >= ONE_SENDER
            || what.waiting >= IN_ALL
            || what.readings >= ROW
        {
            return Verdict::Now;
        }
        if what.waiting > 0 && self.budget >= 1.0 {
            self.budget -= 1.0;
            return Verdict::Now;
        }
        let Some(oldest) = what.oldest else { return Verdict::Idle };
        let due = oldest + self.interval;
        if now >= due {
            return Verdict::Now;
        }
        if what.waiting == 0 {
            return Verdict::At(due);
        }
        let refilled = Duration::from_secs_f64((1.0 - self.budget) / self.refill);
        Verdict::At(due.min(now + refilled.max(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(waiting: usize, at: Instant) -> Waiting {
        Waiting { waiting, one_sender: 1, readings: waiting, oldest: Some(at), urgent: false }
    }

    #[test]
    fn many_in_flight_commit_at_once_and_cost_no_budget() {
        let now = Instant::now();
        let mut policy = Policy::new(Wear::Ssd, now);
        let many =
            Waiting { waiting: 8, one_sender: 8, readings: 8, oldest: Some(now), urgent: false };
        for _ in 0..10_000 {
            assert_eq!(policy.decide(now, &many), Verdict::Now);
        }
        assert_eq!(policy.decide(now, &waits(64, now)), Verdict::Now);
        assert!(policy.budget >= BUDGET);
    }

    #[test]
    fn a_lone_sender_is_quick_while_the_budget_lasts_then_waits_for_the_refill() {
        let now = Instant::now();
        let mut policy = Policy::new(Wear::Ssd, now);
        for _ in 0..500 {
            assert_eq!(policy.decide(now, &waits(1, now)), Verdict::Now);
        }
        let Verdict::At(next) = policy.decide(now, &waits(1, now)) else { panic!("must wait") };
        assert_eq!(next, now + Duration::from_millis(50));
        assert_eq!(policy.decide(next, &waits(1, now)), Verdict::Now);
    }

    #[test]
    fn readings_nobody_waits_for_are_gathered_for_the_interval() {
        let now = Instant::now();
        let mut policy = Policy::new(Wear::Sd, now);
        let polled = Waiting { readings: 30, oldest: Some(now), ..Waiting::default() };
        let due = now + Duration::from_millis(500);
        assert_eq!(policy.decide(now, &polled), Verdict::At(due));
        assert_eq!(policy.decide(due, &polled), Verdict::Now);
        assert_eq!(policy.decide(due, &Waiting::default()), Verdict::Idle);
        let full = Waiting { readings: ROW, oldest: Some(now), ..Waiting::default() };
        assert_eq!(policy.decide(now, &full), Verdict::Now);
    }
}

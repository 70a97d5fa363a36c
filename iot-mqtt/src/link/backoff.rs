//! How long a link waits before it tries again: 0.5 s, doubling to 30 s, with jitter.
//!
//! An acknowledgement begins it anew; but sessions that end as soon as they began, one after the
//! other, double it all the same. Two clients of one id would else throw each other out for ever,
//! twice a second.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// A session that ended sooner after its beginning was thrown out, not lost.
const SHORT: Duration = Duration::from_secs(2);
/// So many in a row, and somebody else is likely to use the same client id.
const THROWN_OUT: u32 = 3;

/// A link's back-off.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    short: u32,
}

impl Backoff {
    /// The other side acknowledged something.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// A session ended, that lasted so long. Whether it looks as if another client had its id. A
    /// broker that `forgot` the session died before it, and threw nobody out.
    pub(crate) fn ended(&mut self, lasted: Duration, forgot: bool) -> bool {
        let thrown_out = lasted < SHORT && !forgot;
        self.short = if thrown_out { self.short.saturating_add(1) } else { 0 };
        self.short >= THROWN_OUT
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let times = self.failures.max(self.short.saturating_sub(1));
        let doubled = FIRST.saturating_mul(1 << times.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(0.75 + 0.25 * fastrand::f64())
    }

    /// How long to wait where another client has the id for certain.
    pub(crate) fn long() -> Duration {
        LONGEST.mul_f64(0.5 + fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_after_an_acknowledgement() {
        let mut backoff = Backoff::default();
        for wanted in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let waited = backoff.next().as_secs_f64();
            assert!((wanted * 0.75..=wanted).contains(&waited), "{waited} of {wanted}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn three_short_sessions_in_a_row_look_like_a_client_id_used_twice() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(100);
        assert!(!backoff.ended(short, false));
        assert!(!backoff.ended(short, false));
        assert!(backoff.ended(short, false));
        backoff.reset();
        assert!(backoff.next() >= Duration::from_millis(1_500), "it waits longer each time");
        assert!(!backoff.ended(Duration::from_secs(9), false));
        assert!(!backoff.ended(short, false));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
        for _ in 0..9 {
            assert!(!backoff.ended(short, true), "a broker that dies often is no other client");
        }
        let long = Backoff::long();
        assert!((Duration::from_secs(15)..=Duration::from_secs(45)).contains(&long));
    }
}

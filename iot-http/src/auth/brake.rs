//! The brake on guessing: failed sign-ins of one address are counted, ten at once and ten a minute.
//! A right token always opens: nobody can lock out another by guessing from the same address.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Tries that may fail at once, and in each minute.
const TRIES: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Refusals written into the audit, at once and in each minute.
const AUDITED: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// Addresses remembered before those that did nothing lately are forgotten.
const ADDRESSES: usize = 4_096;

/// Limits what failures may cost.
pub(crate) struct Brake {
    failures: DefaultKeyedRateLimiter<IpAddr>,
    audited: DefaultDirectRateLimiter,
}

impl fmt::Debug for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Brake")
    }
}

impl Brake {
    pub(crate) fn new() -> Self {
        Self {
            failures: RateLimiter::keyed(Quota::per_minute(TRIES)),
            audited: RateLimiter::direct(Quota::per_minute(AUDITED)),
        }
    }

    /// Counts a failed sign-in; when there were too many, the seconds until the next may be tried.
    pub(crate) fn failed(&self, peer: IpAddr) -> Result<(), u64> {
        if self.failures.len() > ADDRESSES {
            self.failures.retain_recent();
        }
        self.failures
            .check_key(&peer)
            .map_err(|until| until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
    }

    /// Whether one more refusal may be written down now.
    pub(crate) fn audit(&self) -> bool {
        self.audited.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_waits_and_other_addresses_do_not() {
        let brake = Brake::new();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        for _ in 0..10 {
            assert_eq!(brake.failed(a), Ok(()));
        }
        assert!(brake.failed(a).is_err_and(|seconds| (1..=7).contains(&seconds)));
        assert_eq!(brake.failed(b), Ok(()));
    }
}

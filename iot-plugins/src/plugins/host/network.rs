//! Bytes a second through each network interface.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sysinfo::{Error, Networks};

use super::key;
use super::measured::{Findings, Form, count};

/// Interfaces beyond this are left out.
const MOST: usize = 12;

/// Looks closer together than this repeat the last rate: the counters move in steps.
const CLOSEST: Duration = Duration::from_millis(50);

/// Interfaces that come and go with containers and machines inside this one, or carry nothing.
const PASSING: [&str; 8] = ["lo", "veth", "ifb", "dummy", "cali", "lxc", "vnet", "tap"];

/// The counters as they were last seen.
pub(super) struct Traffic {
    networks: Networks,
    seen: BTreeMap<String, Seen>,
    at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    received: u64,
    sent: u64,
    rates: (f64, f64),
}

impl Traffic {
    /// Takes the first sample.
    pub(super) fn new() -> Result<Self, Error> {
        let mut traffic =
            Self { networks: Networks::new()?, seen: BTreeMap::new(), at: Instant::now() };
        traffic.sample();
        Ok(traffic)
    }

    /// The rates since the last sample.
    pub(super) fn measure(&mut self, found: &mut Findings) {
        if self.at.elapsed() >= CLOSEST {
            self.sample();
        }
        for (name, Seen { rates, .. }) in self.seen.iter().take(MOST) {
            let part = key::interface(name);
            let (received, sent) = *rates;
            found.add(
                &format!("net_{part}_rx"),
                &format!("Network {name} received"),
                Form::RATE,
                Ok(received),
            );
            found.add(
                &format!("net_{part}_tx"),
                &format!("Network {name} sent"),
                Form::RATE,
                Ok(sent),
            );
        }
    }

    fn sample(&mut self) {
        let (before, now) = (self.at, Instant::now());
        let seconds = (now - before).as_secs_f64();
        self.networks.refresh(true);
        self.at = now;
        let mut seen = BTreeMap::new();
        for (name, data) in &self.networks {
            let name = name.to_string_lossy().into_owned();
            if !shown(&name) {
                continue;
            }
            let (received, sent) = (data.total_received(), data.total_transmitted());
            let rates = self.seen.get(&name).map_or((0.0, 0.0), |old| {
                // A counter that began again is no negative rate.
                let rate = |new: u64, old: u64| count(new.saturating_sub(old)) / seconds;
                (rate(received, old.received), rate(sent, old.sent))
            });
            seen.insert(name, Seen { received, sent, rates });
        }
        self.seen = seen;
    }
}

fn shown(name: &str) -> bool {
    !PASSING.iter().any(|passing| {
        name.strip_prefix(passing)
            .is_some_and(|rest| *passing != "lo" && rest.len() <= 13 || rest.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_not_shown() {
        for name in ["eth0", "wlan0", "enp3s0", "wg0", "docker0", "br-1234", "loom0"] {
            assert!(shown(name), "{name}");
        }
        for name in ["lo", "veth12ab34", "ifb0", "tap0"] {
            assert!(!shown(name), "{name}");
        }
    }

    #[test]
    fn looks_too_close_together_repeat_the_last_rate() {
        let mut traffic = Traffic::new().unwrap();
        let at = traffic.at;
        traffic.measure(&mut Findings::default());
        assert!(traffic.at == at || traffic.at - at >= CLOSEST);
    }
}

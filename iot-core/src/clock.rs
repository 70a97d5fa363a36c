//! The machine's clock, and when it can be trusted.
//!
//! *Synced* means: the kernel's time service says so; or the machine has a real-time clock (a
//! hypervisor's counts as one) and the time is past both this build and the newest committed
//! reading; or the operator said `time.trust = "always"`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::domain::{BootId, Timestamp};
use crate::port::{Clock, Reckoning};

/// 2025-11-01: no build of this code is older.
const BUILT_AFTER: Timestamp = Timestamp::from_millis(1_761_955_200_000);

/// The clock of the machine this process runs on.
#[derive(Debug)]
pub struct SystemClock {
    boot: BootId,
    start: Instant,
    always: bool,
    hardware: bool,
    service: AtomicBool,
    checked_ms: AtomicI64,
    newest: AtomicI64,
}

impl SystemClock {
    /// The machine's clock; trusted without asking where `always`.
    #[must_use]
    pub fn new(always: bool) -> Self {
        let mut random = [0_u8; 4];
        // Without random bytes all such boots share 0: corrections then meet, which is only less exact.
        let boot = getrandom::fill(&mut random).map_or(0, |()| u32::from_le_bytes(random));
        Self {
            boot: BootId(boot & 0x7fff_ffff),
            start: Instant::now(),
            always,
            hardware: has_hardware_clock(),
            service: AtomicBool::new(service_says_synced()),
            checked_ms: AtomicI64::new(0),
            newest: AtomicI64::new(i64::MIN),
        }
    }

    /// Asks the time service again at most every 5 s.
    fn service_synced(&self, monotonic_us: i64) -> bool {
        let ms = monotonic_us / 1000;
        let last = self.checked_ms.load(Ordering::Relaxed);
        if ms - last >= 5_000
            && self
                .checked_ms
                .compare_exchange(last, ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.service.store(service_says_synced(), Ordering::Relaxed);
        }
        self.service.load(Ordering::Relaxed)
    }
}

fn has_hardware_clock() -> bool {
    if Path::new("/sys/class/rtc/rtc0").exists() {
        return true;
    }
    // A guest gets its wall clock from the hypervisor, which shows among the clock sources.
    std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/available_clocksource")
        .is_ok_and(|names| {
            names
                .split_whitespace()
                .any(|n| n == "kvm-clock" || n == "xen" || n.starts_with("hyperv_clocksource"))
        })
}

/// The kernel's flag, which chrony and ntpd clear at their first answer; or the file that
/// systemd-timesyncd makes at its own.
fn service_says_synced() -> bool {
    kernel_says_synced() || Path::new("/run/systemd/timesync/synchronized").exists()
}

/// adjtimex(2): the state is `TIME_ERROR` as long as `STA_UNSYNC` is set.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "adjtimex has no safe binding among our dependencies")]
fn kernel_says_synced() -> bool {
    // SAFETY: `timex` is plain data for which zeros are a value, and modes 0 means "only read".
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusive `timex` and is not kept by the kernel.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    state >= 0 && state != libc::TIME_ERROR
}

#[cfg(not(target_os = "linux"))]
fn kernel_says_synced() -> bool {
    false
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others ask")]
    fn now(&self) -> Reckoning {
        let wall = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Timestamp::from_micros(micros(since)),
            Err(before) => Timestamp::from_micros(-micros(before.duration())),
        };
        let monotonic_us = micros(self.start.elapsed());
        let newest = Timestamp::from_micros(self.newest.load(Ordering::Relaxed));
        let plausible = wall > BUILT_AFTER && wall.plus(Duration::from_secs(1)) > newest;
        let synced =
            self.always || (plausible && (self.hardware || self.service_synced(monotonic_us)));
        Reckoning { wall, monotonic_us, synced, boot: self.boot }
    }

    fn newest_committed(&self, at: Timestamp) {
        self.newest.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}

fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

//! Once a second: which devices are overdue, how many readings come; once a minute: when devices
//! were last heard is put on the next commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::bus::Bus;
use super::catalogue::Catalogue;
use super::queue::Queue;
use crate::domain::{DeviceNo, Timestamp};
use crate::port::{Change, Clock, Reckoning};

const SEEN_EVERY: u32 = 60;
/// The first time soon after the start, so that a new device does not look unheard for a minute.
const SEEN_FIRST: u32 = 3;
const FORGET_EVERY: u32 = 3600;
const REMEMBER: Duration = Duration::from_secs(24 * 3600);
/// The weight of the newest second in the rate shown.
const NEWEST: f64 = 0.3;

/// Looks after what time does to devices.
pub(crate) struct Presence {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) bus: Arc<Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rate: Arc<Rate>,
}

/// Readings a second, smoothed.
#[derive(Debug, Default)]
pub(crate) struct Rate(AtomicU64);

impl Rate {
    pub(crate) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Presence {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut readings = self.bus.readings();
        let mut unsynced = false;
        let mut round = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            round = round.wrapping_add(1);
            let now = self.clock.now();
            self.catalogue.find_stale(now.wall);
            let all = self.bus.readings();
            let rate = self.rate.get();
            let newest = u32::try_from(all - readings).map_or(f64::INFINITY, f64::from);
            self.rate.0.store((rate + NEWEST * (newest - rate)).to_bits(), Ordering::Relaxed);
            readings = all;
            if round % SEEN_EVERY == SEEN_FIRST {
                self.queue.seen(self.seen().into_iter());
            }
            if round % FORGET_EVERY == 1 && now.synced {
                self.change(Change::ForgetCommands(now.wall.minus(REMEMBER)));
            }
            unsynced = self.correct(&now, unsynced);
        }
    }

    /// When the clock becomes right, the unsynced readings of this boot become right too.
    fn correct(&self, now: &Reckoning, unsynced: bool) -> bool {
        if now.synced && unsynced {
            let offset = now.wall.as_micros() - now.monotonic_us;
            self.change(Change::CorrectTime(now.boot, offset));
        }
        !now.synced
    }

    fn change(&self, change: Change) {
        if self.queue.change(vec![change], false).is_none() {
            tracing::debug!("a change came while the gateway was stopping");
        }
    }

    pub(crate) fn seen(&self) -> Vec<(DeviceNo, Timestamp)> {
        let inner = self.catalogue.read();
        inner
            .devices
            .values()
            .filter(|entry| !entry.device.removed)
            .filter_map(|entry| Some((entry.device.no, entry.last_seen()?)))
            .collect()
    }
}

//! The live bus: what happens, at once and best effort.
//!
//! - In: accepted readings and changed devices, from intake and the catalogue
//! - Out: each subscriber's own reading position on one shared ring
//! - Bound: 4,096 batches and 65,536 readings, whichever comes first
//! - When full: the oldest batch leaves; a subscriber that still needed it is told how many readings
//!   it missed and goes on with the oldest that is left
//! - Counter: `missed` of [`Received::Lagged`]
//!
//! The ring is also what a subscriber resumes from after a reconnect. Positions name the start of
//! the process, so that none can come to mean other readings after a crash.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::catalogue::DeviceView;
use crate::domain::{DeviceId, Reading};

const BATCHES: usize = 4_096;
const READINGS: u64 = 65_536;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Live {
    /// Readings were accepted.
    Readings(Arc<[Reading]>),
    /// A device is new or has changed.
    Device(Arc<DeviceView>),
    /// A device is gone.
    Gone(DeviceId),
}

impl Live {
    fn readings(&self) -> u64 {
        match self {
            Self::Readings(readings) => readings.len() as u64,
            Self::Device(_) | Self::Gone(_) => 0,
        }
    }
}

/// Something that happened, and where it stands on the bus.
#[derive(Debug, Clone)]
pub struct LiveBatch {
    /// What.
    pub live: Live,
    /// The position just after it.
    pub at: Position,
    /// Readings on the bus before it, since the start.
    before: u64,
}

/// A place on the bus: opaque outside, and never valid again for other readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    start: u64,
    at: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.at)
    }
}

impl Position {
    /// Reads what a subscriber was given earlier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (start, at) = text.split_once('-')?;
        Some(Self { start: u64::from_str_radix(start, 16).ok()?, at: at.parse().ok()? })
    }
}

#[derive(Debug)]
struct Ring {
    batches: VecDeque<LiveBatch>,
    /// The place of the first batch in the ring.
    first: u64,
    /// Readings ever put on the bus.
    readings: u64,
    /// The gateway has stopped.
    closed: bool,
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.batches.len() as u64
    }

    /// Readings on the bus before place `at`.
    fn before(&self, at: u64) -> u64 {
        let index = usize::try_from(at.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.batches.get(index).map_or(self.readings, |b| b.before)
    }
}

/// The bus.
#[derive(Debug)]
pub(crate) struct Bus {
    start: u64,
    ring: Mutex<Ring>,
    end: watch::Sender<u64>,
}

impl Bus {
    pub(crate) fn new(start: u64) -> Self {
        let ring = Ring { batches: VecDeque::new(), first: 0, readings: 0, closed: false };
        Self { start, ring: Mutex::new(ring), end: watch::Sender::new(0) }
    }

    pub(crate) fn publish(&self, live: Live) {
        let end = {
            let mut ring = self.lock();
            let (before, count) = (ring.readings, live.readings());
            let at = Position { start: self.start, at: ring.end() + 1 };
            ring.readings += count;
            ring.batches.push_back(LiveBatch { live, at, before });
            while ring.batches.len() > BATCHES
                || (ring.batches.len() > 1 && ring.readings - ring.batches[0].before > READINGS)
            {
                ring.batches.pop_front();
                ring.first += 1;
            }
            ring.end()
        };
        self.end.send_replace(end);
    }

    /// The end: subscribers hear what is left, and then that it is over.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.end.send_modify(|_| {});
    }

    /// Readings ever put on the bus.
    pub(crate) fn readings(&self) -> u64 {
        self.lock().readings
    }

    pub(crate) fn subscribe(self: &Arc<Self>) -> Subscription {
        let watch = self.end.subscribe();
        let ring = self.lock();
        let (at, seen) = (ring.end(), ring.readings);
        drop(ring);
        Subscription { bus: self.clone(), at, seen, watch }
    }

    /// A subscription that goes on from an earlier place; none where the ring does not reach back
    /// so far, or the place is of another start.
    pub(crate) fn resume(self: &Arc<Self>, since: Position) -> Option<Subscription> {
        let watch = self.end.subscribe();
        let ring = self.lock();
        let usable = since.start == self.start && (ring.first..=ring.end()).contains(&since.at);
        let seen = ring.before(since.at);
        drop(ring);
        usable.then(|| Subscription { bus: self.clone(), at: since.at, seen, watch })
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub enum Received {
    /// The next thing that happened.
    Batch(LiveBatch),
    /// It was too slow: so many readings (and perhaps device changes) are gone from the ring. The
    /// latest values are in the catalogue; what follows goes on from the oldest that is left.
    Lagged {
        /// Readings missed.
        missed: u64,
    },
}

/// A subscriber's own place on the bus. Never slows anyone.
#[derive(Debug)]
pub struct Subscription {
    bus: Arc<Bus>,
    at: u64,
    /// Readings on the bus before `at`.
    seen: u64,
    watch: watch::Receiver<u64>,
}

impl Subscription {
    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { start: self.bus.start, at: self.at }
    }

    /// The next thing, if it is there already.
    pub fn try_next(&mut self) -> Option<Received> {
        let ring = self.bus.lock();
        if self.at < ring.first {
            let before = ring.before(ring.first);
            let missed = before - self.seen;
            (self.at, self.seen) = (ring.first, before);
            return Some(Received::Lagged { missed });
        }
        let index = usize::try_from(self.at - ring.first).ok()?;
        let batch = ring.batches.get(index)?.clone();
        self.at += 1;
        self.seen = batch.before + batch.live.readings();
        Some(Received::Batch(batch))
    }

    /// The next thing; waits for it. Cancel-safe. None when the gateway has stopped.
    pub async fn next(&mut self) -> Option<Received> {
        loop {
            self.watch.mark_unchanged();
            if let Some(received) = self.try_next() {
                return Some(received);
            }
            if self.bus.lock().closed {
                return None;
            }
            self.watch.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(n: u32) -> Live {
        Live::Gone(DeviceId::parse(&format!("d{n}")).unwrap())
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_and_goes_on_with_what_is_left() {
        let bus = Arc::new(Bus::new(7));
        let mut slow = bus.subscribe();
        for n in 0..5_000 {
            bus.publish(gone(n));
        }
        assert!(matches!(slow.next().await, Some(Received::Lagged { missed: 0 })));
        let Some(Received::Batch(first)) = slow.next().await else { panic!("a batch is left") };
        assert!(matches!(first.live, Live::Gone(id) if id.as_str() == "d904"));
    }

    #[tokio::test]
    async fn a_subscriber_hears_what_is_left_and_then_the_end() {
        let bus = Arc::new(Bus::new(7));
        let mut subscriber = bus.subscribe();
        bus.publish(gone(1));
        bus.close();
        assert!(matches!(subscriber.next().await, Some(Received::Batch(_))));
        assert!(subscriber.next().await.is_none());
    }

    #[tokio::test]
    async fn a_position_of_this_start_resumes_and_of_another_does_not() {
        let bus = Arc::new(Bus::new(7));
        bus.publish(gone(1));
        let at = bus.subscribe().position();
        bus.publish(gone(2));
        let read = Position::parse(&at.to_string()).unwrap();
        let mut resumed = bus.resume(read).unwrap();
        assert!(matches!(resumed.next().await, Some(Received::Batch(b)) if b.at.at == 2));
        assert!(Arc::new(Bus::new(8)).resume(read).is_none());
        assert!(bus.resume(Position { start: 7, at: 9 }).is_none());
        assert!(Position::parse("x-y").is_none());
    }
}

//! What a publisher did and has before it, in figures: all counts are readings.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use iot_core::domain::{Seq, Timestamp};
use iot_core::port::CursorMove;

/// The figures of one publisher.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    place: Option<CursorMove>,
    /// When the oldest reading that is not acknowledged was taken.
    oldest: Option<Timestamp>,
    /// Readings that were lost before this start, whose reasons nobody wrote down.
    earlier: u64,
    dropped: BTreeMap<&'static str, u64>,
    catching_up: bool,
    /// Why the last message that was refused was.
    trouble: Option<String>,
}

impl Figures {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the cursor stood at this start.
    pub(crate) fn opened(&self, place: &CursorMove) {
        let mut kept = self.lock();
        kept.earlier = place.dropped;
        kept.place = Some(place.clone());
    }

    /// Where the cursor stands, and the oldest reading before it.
    pub(crate) fn moved(&self, place: &CursorMove, oldest: Option<Timestamp>) {
        let mut kept = self.lock();
        kept.place = Some(place.clone());
        kept.oldest = oldest;
    }

    /// Readings that cannot be brought to the other side.
    pub(crate) fn dropped(&self, reason: &'static str, readings: u64, why: String) {
        let mut kept = self.lock();
        *kept.dropped.entry(reason).or_default() += readings;
        kept.trouble = Some(why);
    }

    /// Whether there is more to read than fits a page.
    pub(crate) fn catching_up(&self, catching_up: bool) {
        self.lock().catching_up = catching_up;
    }

    /// Something stands in the way, or nothing does any more.
    pub(crate) fn trouble(&self, why: Option<String>) {
        self.lock().trouble = why;
    }

    /// What they are, with a log that ends here.
    pub(crate) fn show(&self, end: Seq) -> Shown {
        let kept = self.lock();
        let mut shown = Shown {
            catching_up: kept.catching_up,
            trouble: kept.trouble.clone(),
            oldest: kept.oldest,
            ..Shown::default()
        };
        let Some(place) = &kept.place else { return shown };
        shown.lag = end.0.saturating_sub(place.seq.0);
        shown.acknowledged = place.acknowledged;
        shown.dropped = kept.dropped.clone();
        // What is known to have been dropped may lie past the cursor's place still.
        let known: u64 = kept.dropped.values().sum();
        let removed = place.dropped.saturating_sub(kept.earlier).saturating_sub(known);
        for (reason, readings) in [("earlier", kept.earlier), ("removed", removed)] {
            if readings > 0 {
                shown.dropped.insert(reason, readings);
            }
        }
        shown
    }
}

/// Figures at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Shown {
    /// Readings not acknowledged yet.
    pub(crate) lag: u64,
    /// When the oldest of them was taken, where it is known.
    pub(crate) oldest: Option<Timestamp>,
    /// Readings acknowledged since the cursor began.
    pub(crate) acknowledged: u64,
    /// Readings lost since the cursor began, by reason: `too_large`, `refused`, `removed` from the
    /// log before they were read, `earlier` than this start.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    /// There is more to read than fits a page.
    pub(crate) catching_up: bool,
    /// Why the last refused message was.
    pub(crate) trouble: Option<String>,
}

//! The ledger: every reading taken in has a visible fate.
//!
//! `accepted = stored + queued`, `stored = kept + replaced + removed(age, cap, by hand)`, and for
//! each consumer `stored since it began = acknowledged + pending + filtered + dropped`. `queued` is
//! memory; after a crash `accepted` begins again at `stored`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::watch;

use crate::domain::Seq;
use crate::port::{CursorMove, CursorName, Figures, Removed};

/// Why a reading was not accepted, or a message with readings or a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// Its device was not announced, or is not allowed in.
    UnknownDevice,
    /// Its sensor was not announced.
    UnknownSensor,
    /// Its device belongs to another home.
    NotHome,
    /// Its value is of another type than its sensor.
    Type,
    /// Its text is longer than 1 KiB.
    TextTooLong,
    /// It has no value and is not bad.
    NoValue,
    /// Its device has as many sensors as are allowed.
    TooManySensors,
    /// There are as many devices as are allowed.
    TooManyDevices,
    /// There was no credit left for it.
    NoCredit,
    /// The gateway was stopping.
    Stopping,
    /// Its message could not be read.
    Malformed,
    /// Its message was larger than is allowed.
    Oversized,
    /// Its message was retained, and so is of an unknown time.
    Retained,
    /// Its device or sensor has a name that does not fit.
    BadName,
    /// Its value is none: a number that is not finite, a list.
    BadValue,
    /// Its sender may not send it.
    NotAllowed,
    /// Its message came too late.
    Expired,
    /// Its message came before.
    Repeated,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::UnknownDevice,
        Self::UnknownSensor,
        Self::NotHome,
        Self::Type,
        Self::TextTooLong,
        Self::NoValue,
        Self::TooManySensors,
        Self::TooManyDevices,
        Self::NoCredit,
        Self::Stopping,
        Self::Malformed,
        Self::Oversized,
        Self::Retained,
        Self::BadName,
        Self::BadValue,
        Self::NotAllowed,
        Self::Expired,
        Self::Repeated,
    ];

    /// The word in diagnostics and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownDevice => "unknown_device",
            Self::UnknownSensor => "unknown_sensor",
            Self::NotHome => "not_home",
            Self::Type => "type",
            Self::TextTooLong => "text_too_long",
            Self::NoValue => "no_value",
            Self::TooManySensors => "too_many_sensors",
            Self::TooManyDevices => "too_many_devices",
            Self::NoCredit => "no_credit",
            Self::Stopping => "stopping",
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::Retained => "retained",
            Self::BadName => "bad_name",
            Self::BadValue => "bad_value",
            Self::NotAllowed => "not_allowed",
            Self::Expired => "expired",
            Self::Repeated => "repeated",
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// The counters of a running gateway.
#[derive(Debug)]
pub(crate) struct Ledger {
    accepted: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    bad: AtomicU64,
    store: Mutex<Stored>,
    /// The end of the committed log: whoever reads it waits here.
    end: watch::Sender<Seq>,
}

#[derive(Debug, Default)]
struct Stored {
    figures: Figures,
    consumers: BTreeMap<CursorName, Consumer>,
}

/// A consumer's place, and why it lost what it lost.
#[derive(Debug)]
struct Consumer {
    place: CursorMove,
    /// Readings that it lost before this start, whose reasons nobody wrote down.
    earlier: u64,
    /// Readings that it gave up since, by reason. What else it lost had left the log.
    given_up: BTreeMap<&'static str, u64>,
}

impl Consumer {
    fn new(place: CursorMove) -> Self {
        Self { earlier: place.dropped, place, given_up: BTreeMap::new() }
    }

    fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let mut dropped = self.given_up.clone();
        let known = self.earlier + dropped.values().sum::<u64>();
        let rest =
            [("earlier", self.earlier), ("removed", self.place.dropped.saturating_sub(known))];
        for (reason, readings) in rest.into_iter().filter(|(_, readings)| *readings > 0) {
            *dropped.entry(reason).or_default() += readings;
        }
        dropped
    }
}

impl Ledger {
    pub(crate) fn new(figures: Figures, cursors: Vec<CursorMove>) -> Self {
        Self {
            accepted: AtomicU64::new(figures.stored),
            refused: Default::default(),
            bad: AtomicU64::new(0),
            store: Mutex::new(Stored {
                figures,
                consumers: cursors
                    .into_iter()
                    .map(|place| (place.name.clone(), Consumer::new(place)))
                    .collect(),
            }),
            end: watch::Sender::new(Seq(figures.stored)),
        }
    }

    pub(crate) fn accept(&self, readings: u64) {
        self.accepted.fetch_add(readings, Ordering::AcqRel);
    }

    /// Takes back what was counted for a queue that turned out to be closed.
    pub(crate) fn unaccept(&self, readings: u64) {
        self.accepted.fetch_sub(readings, Ordering::AcqRel);
    }

    pub(crate) fn refuse(&self, why: Refusal, readings: u64) {
        self.refused[why.index()].fetch_add(readings, Ordering::Relaxed);
    }

    pub(crate) fn not_finite(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    /// A consumer's cursor moved. It is shown at once and written with the next commit: a crash
    /// before that puts it back, and the consumer gets those readings again.
    pub(crate) fn moved(&self, cursor: &CursorMove) {
        let mut store = self.lock();
        match store.consumers.get_mut(&cursor.name) {
            // One that begins anew has lost nothing yet.
            Some(consumer) if consumer.place.began == cursor.began => {
                consumer.place = cursor.clone();
            }
            _ => {
                store.consumers.insert(cursor.name.clone(), Consumer::new(cursor.clone()));
            }
        }
    }

    /// A consumer gives readings up: they are counted when its cursor moves past them.
    pub(crate) fn gave_up(&self, name: &CursorName, reason: &'static str, readings: u64) {
        if let Some(consumer) = self.lock().consumers.get_mut(name) {
            *consumer.given_up.entry(reason).or_default() += readings;
        }
    }

    pub(crate) fn committed(&self, figures: Figures) {
        self.lock().figures = figures;
        let end = Seq(figures.stored);
        self.end.send_if_modified(|seen| std::mem::replace(seen, end) != end);
    }

    /// Tells of each commit that added readings: where the log ends now.
    pub(crate) fn progress(&self) -> watch::Receiver<Seq> {
        self.end.subscribe()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// All figures at one instant: read under the lock that a commit takes, and `accepted` after
    /// it, so that `queued` is never negative.
    pub(crate) fn view(&self) -> LedgerView {
        let store = self.lock();
        let figures = store.figures;
        let accepted = self.accepted().max(figures.stored);
        LedgerView {
            accepted,
            queued: accepted - figures.stored,
            stored: figures.stored,
            kept: figures.kept,
            replaced: figures.replaced,
            removed: figures.removed,
            refused: Refusal::ALL
                .into_iter()
                .map(|why| (why.word(), self.refused[why.index()].load(Ordering::Relaxed)))
                .filter(|(_, n)| *n > 0)
                .collect(),
            not_finite: self.bad.load(Ordering::Relaxed),
            consumers: store
                .consumers
                .iter()
                .map(|(name, consumer)| {
                    let c = &consumer.place;
                    let since = figures.stored.saturating_sub(c.began.0);
                    let settled = c.acknowledged + c.filtered + c.dropped;
                    (
                        name.to_string(),
                        ConsumerView {
                            acknowledged: c.acknowledged,
                            pending: since.saturating_sub(settled),
                            filtered: c.filtered,
                            dropped: consumer.dropped(),
                        },
                    )
                })
                .collect(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.store.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A durable consumer's share of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerView {
    /// Acknowledged by the other side.
    pub acknowledged: u64,
    /// Not yet settled.
    pub pending: u64,
    /// Passed over by its filter.
    pub filtered: u64,
    /// Lost to it, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// The ledger at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerView {
    /// Readings taken in.
    pub accepted: u64,
    /// Of these, those that are not committed yet.
    pub queued: u64,
    /// Of these, those that were committed.
    pub stored: u64,
    /// Of the stored, those that can be read.
    pub kept: u64,
    /// Of the stored, those that a later one of the same instant replaced.
    pub replaced: u64,
    /// Of the stored, those that were removed.
    pub removed: Removed,
    /// Readings that were not taken in since the start, by reason; zeros are left out.
    pub refused: BTreeMap<&'static str, u64>,
    /// NaN and infinities that became bad readings since the start.
    pub not_finite: u64,
    /// Durable consumers.
    pub consumers: BTreeMap<String, ConsumerView>,
}

//! The log: the order in which readings were committed, and the only write door of a store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value as Json;

use crate::domain::{
    AuditEntry, BootId, CommandRecord, Device, DeviceNo, DeviceState, InstanceName, InstanceRecord,
    PluginRecord, Point, Reading, Sensor, SensorNo, Seq, SettingKey, State, TimeRange, Timestamp,
    TokenHash, TokenRecord,
};

/// A durable consumer of the log, by name: `mqtt:up`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CursorName(pub Arc<str>);

impl fmt::Display for CursorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a consumer has got: everything up to and with `seq` is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorMove {
    /// Which consumer.
    pub name: CursorName,
    /// The last reading that it needs no more.
    pub seq: Seq,
    /// The end of the log when the consumer began; its ledger counts from there.
    pub began: Seq,
    /// Readings that the other side acknowledged, since it began.
    pub acknowledged: u64,
    /// Readings that its filter passed over, since it began.
    pub filtered: u64,
    /// Readings that it lost, since it began.
    pub dropped: u64,
}

/// A change of what is known beside readings. Everything that is written goes through the writer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A device is new or has changed.
    PutDevice(Arc<Device>),
    /// A device is deleted; its number and id stay taken. With its readings where `history`.
    RemoveDevice {
        /// Which.
        no: DeviceNo,
        /// Whether its readings go too.
        history: bool,
    },
    /// A device is heard, silent or failing, for plain SQL; each start begins with all offline.
    DeviceState(DeviceNo, DeviceState),
    /// A sensor is new or has changed.
    PutSensor(Arc<Sensor>),
    /// Readings of one sensor are removed by hand.
    RemoveReadings {
        /// Which sensor's.
        sensor: SensorNo,
        /// Those whose time lies inside.
        range: TimeRange,
    },
    /// An instance is new or has changed.
    PutInstance(InstanceRecord),
    /// An instance is deleted, with what its plugin kept.
    RemoveInstance(InstanceName),
    /// What an instance's plugin keeps.
    KeepState(InstanceName, State),
    /// A plugin kind was seen.
    PutPlugin(PluginRecord),
    /// A setting is set; none puts it back to its default.
    PutSetting(SettingKey, Option<Json>),
    /// A token is made.
    PutToken(TokenRecord),
    /// A token is revoked or was used up.
    RemoveToken(TokenHash),
    /// A command is new or has moved on.
    PutCommand(CommandRecord),
    /// Commands made before this are forgotten.
    ForgetCommands(Timestamp),
    /// Something was done or denied.
    Audit(AuditEntry),
    /// Unsynced times of a boot become right by adding this many microseconds to their monotonic
    /// ones.
    CorrectTime(BootId, i64),
    /// A consumer is gone and needs nothing more.
    RemoveCursor(CursorName),
}

/// One transaction.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The place of its first reading: one past the end of the log.
    pub first: Seq,
    /// Readings, in the order of the log.
    pub batches: Vec<Arc<[Reading]>>,
    /// Cursors that moved.
    pub cursors: Vec<CursorMove>,
    /// When devices were last heard.
    pub seen: Vec<(DeviceNo, Timestamp)>,
    /// What else changes, applied before the readings, in order; removals after them, so that they
    /// take what was sent before they were asked for.
    pub changes: Vec<Change>,
    /// Somebody waits for a change: the store adds no work of its own.
    pub urgent: bool,
}

impl Commit {
    /// How many readings it holds.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.batches.iter().map(|b| b.len() as u64).sum()
    }
}

/// Readings that left the log again, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Removed {
    /// Older than is kept.
    pub age: u64,
    /// To stay under the disk cap.
    pub cap: u64,
    /// Because a person asked.
    pub by_hand: u64,
}

/// What the store says of its readings: `stored = kept + replaced + removed`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Readings ever committed: the `seq` of the last.
    pub stored: u64,
    /// Readings that can be read.
    pub kept: u64,
    /// Readings that a later one of the same sensor and instant replaced in a merge.
    pub replaced: u64,
    /// Readings that were removed.
    pub removed: Removed,
}

/// The transaction is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The store's figures after it.
    pub figures: Figures,
}

/// A reading as the log holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Its place.
    pub seq: Seq,
    /// Its sensor.
    pub sensor: SensorNo,
    /// What it says.
    pub point: Point,
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPage {
    /// Readings in order; removed ones are left out.
    pub readings: Vec<Logged>,
    /// Where to read on: one past the last place looked at.
    pub next: Seq,
}

/// What sort of failure of the store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// The disk, or the room given to the store, is full.
    Full,
    /// The store may only be read.
    ReadOnly,
    /// What was asked for is not in the log any more, or never was.
    OutOfRange,
    /// Anything else: I/O, corruption.
    Other,
}

/// The log could not do it. After a failed commit the readings may be there all the same.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log could not {doing}: {why}")]
pub struct LogError {
    /// What sort of failure.
    pub kind: LogErrorKind,
    /// What it was doing: "commit", "read".
    pub doing: &'static str,
    /// What went wrong, in words.
    pub why: String,
}

/// The log of a store. One writer task calls `commit`; anyone may read.
#[async_trait]
pub trait Log: Send + Sync {
    /// Makes one transaction durable: all of it, or none.
    ///
    /// # Errors
    /// When it could not; the caller reads [`Log::end`] to learn whether it is there all the same.
    async fn commit(&self, commit: &Commit) -> Result<Committed, LogError>;

    /// Up to `limit` readings from a place on.
    ///
    /// # Errors
    /// When the store cannot be read, or no longer holds that place.
    async fn read(&self, from: Seq, limit: usize) -> Result<LogPage, LogError>;

    /// The place of the last committed reading, read from the store itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn end(&self) -> Result<Seq, LogError>;

    /// The store's figures.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn figures(&self) -> Result<Figures, LogError>;

    /// All cursors.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn cursors(&self) -> Result<Vec<CursorMove>, LogError>;
}

//! A log row: the readings of one commit, packed as JSON text.
//!
//! ```text
//! [[sensor, (t - t_min) / t_unit, value], …]
//! ```
//!
//! - `t_unit` is 1000 where all its times are whole milliseconds, else 1 (microseconds).
//! - A value is a number, `true`, `false`, a text, or `null` where a bad reading lacks it.
//! - A reading that is not good and synced has a fourth member `{"q":"suspect|bad","r":"reason",
//!   "c":"unsynced|device|suspect","m":[boot,monotonic_us]}`, each part left out where not needed.
//! - A reading that was removed is `null`, so that `seq_first` + its place stays its `seq`.
//! - `crc` is the CRC-32C of the text.
//!
//! Numbers come back bit for bit by our parser. SQLite's own rounds the last digit of very large and
//! very small ones its way (past 1e20, below 1e-20).
//!
//! Text, because the plain `sqlite3` shell reads it and it writes half the bytes of one row a reading.

use std::collections::HashMap;

use iot_core::domain::{BootId, Point, SensorNo, TimeQuality, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The most readings in a row.
pub(super) const READINGS: usize = 10_000;
/// A row closes when its text is about this long: texts of 1 KiB would make it 10 MB.
pub(super) const BYTES: usize = 1 << 20;

/// What stands beside a row's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq_first: u64,
    pub(super) seq_last: u64,
    pub(super) t_min: i64,
    pub(super) t_max: i64,
    pub(super) t_unit: i64,
    /// Some of its readings wait for a correction of their time, or had one.
    pub(super) unsynced: bool,
    pub(super) crc: u32,
}

/// A row with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) head: Head,
    pub(super) body: String,
}

/// The columns of [`Row::read`], in its order.
pub(super) const COLUMNS: &str = "seq_first, seq_last, t_min, t_max, t_unit, unsynced, crc, body";

impl Row {
    /// Reads the columns of [`COLUMNS`].
    ///
    /// A body that is no UTF-8 any more is read all the same: its checksum does not fit, so it counts
    /// as damaged and costs itself, not the page that it came with.
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let body = String::from_utf8(row.try_get(7)?)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Self {
            head: Head {
                seq_first: row.try_get::<i64, _>(0)? as u64,
                seq_last: row.try_get::<i64, _>(1)? as u64,
                t_min: row.try_get(2)?,
                t_max: row.try_get(3)?,
                t_unit: row.try_get(4)?,
                unsynced: row.try_get(5)?,
                crc: row.try_get::<i64, _>(6)? as u32,
            },
            body,
        })
    }
}

/// A reading of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) sensor: SensorNo,
    pub(super) point: Point,
}

/// Microseconds to add to the monotonic times of boots.
pub(super) type Corrections = HashMap<BootId, i64>;

/// The reading as it is known by now: an unsynced time becomes a synced one where its boot's
/// correction is known.
pub(super) fn corrected(mut point: Point, corrections: &Corrections) -> Point {
    if let TimeQuality::Unsynced { boot, monotonic_us } = point.time
        && let Some(offset) = corrections.get(&boot)
    {
        point.ts = Timestamp::from_micros(monotonic_us.saturating_add(*offset));
        point.time = TimeQuality::Synced;
    }
    point
}

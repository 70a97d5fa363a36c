//! Segments: stretches of the log, each a table of its own. Exactly one is open; it closes when it
//! is full, in the transaction of the commit that did not fit any more.

use sqlx::{Row as _, SqliteConnection};

use super::statement::Script;

/// When a segment is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Readings in a segment.
    pub readings: u64,
    /// Bytes of its rows' bodies: dropping a table takes 3 µs a page, so 16 MB are 12 ms.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { readings: 1_000_000, bytes: 16 << 20 }
    }
}

/// A segment as the table `segment` knows it; the open one has no end and no times yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) id: i64,
    pub(super) seq_first: u64,
    pub(super) closed: Option<Closed>,
}

/// What is known of a segment once it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) seq_last: u64,
    pub(super) t_min: i64,
    pub(super) t_max: i64,
    pub(super) unsynced: bool,
}

impl Segment {
    /// Whether it may hold readings of `[from, to)`. Unsynced ones may be corrected to any time.
    pub(super) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.closed.is_none_or(|c| c.unsynced || (c.t_max >= from && c.t_min < to))
    }
}

/// All segments whose log tables are there, in order.
pub(super) async fn list(from: &mut SqliteConnection) -> Result<Vec<Segment>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, state, seq_first, seq_last, t_min, t_max, unsynced FROM segment \
         WHERE state < 2 ORDER BY id",
    )
    .fetch_all(from)
    .await?;
    rows.iter()
        .map(|row| {
            let closed = match row.try_get::<i64, _>(1)? {
                0 => None,
                _ => Some(Closed {
                    seq_last: row.try_get::<i64, _>(3)? as u64,
                    t_min: row.try_get(4)?,
                    t_max: row.try_get(5)?,
                    unsynced: row.try_get(6)?,
                }),
            };
            Ok(Segment { id: row.try_get(0)?, seq_first: row.try_get::<i64, _>(2)? as u64, closed })
        })
        .collect()
}

/// The open segment as the writer counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) id: i64,
    pub(super) seq_first: u64,
    pub(super) readings: u64,
    pub(super) bytes: u64,
    pub(super) t_min: i64,
    pub(super) t_max: i64,
    pub(super) unsynced: bool,
}

impl Open {
    /// A segment without readings.
    pub(super) fn new(id: i64, seq_first: u64) -> Self {
        Self {
            id,
            seq_first,
            readings: 0,
            bytes: 0,
            t_min: i64::MAX,
            t_max: i64::MIN,
            unsynced: false,
        }
    }

    /// Whether it has to close before so much more is added.
    pub(super) fn is_full(&self, readings: u64, bytes: u64, limits: Limits) -> bool {
        self.readings > 0
            && readings > 0
            && (self.readings + readings > limits.readings || self.bytes + bytes > limits.bytes)
    }

    /// Counts a row.
    pub(super) fn add(&mut self, row: &super::row::Head, body: usize) {
        self.readings += row.seq_last - row.seq_first + 1;
        self.bytes += body as u64;
        self.t_min = self.t_min.min(row.t_min);
        self.t_max = self.t_max.max(row.t_max);
        self.unsynced |= row.unsynced;
    }

    /// The place of its last reading.
    pub(super) fn seq_last(&self) -> u64 {
        self.seq_first + self.readings - 1
    }
}

/// Makes a segment's table and its row.
pub(super) fn create(script: &mut Script, id: i64, seq_first: u64) {
    script.add(&format!(
        "CREATE TABLE log_{id} (seq_first INTEGER PRIMARY KEY, seq_last INTEGER NOT NULL, \
         t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, t_unit INTEGER NOT NULL, \
         unsynced INTEGER NOT NULL, crc INTEGER NOT NULL, body TEXT NOT NULL)"
    ));
    script
        .add("INSERT INTO segment (id, state, seq_first) VALUES (?, 0, ?)")
        .bind(id)
        .bind(seq_first as i64);
}

/// Writes down where a segment ends.
pub(super) fn close(script: &mut Script, open: &Open) {
    script
        .add(
            "UPDATE segment SET state = 1, seq_last = ?, t_min = ?, t_max = ?, unsynced = ? \
             WHERE id = ?",
        )
        .bind(open.seq_last() as i64)
        .bind(open.t_min)
        .bind(open.t_max)
        .bind(open.unsynced)
        .bind(open.id);
}

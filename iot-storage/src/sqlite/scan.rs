//! Rows of a segment that can hold what is asked for, in pages: each page is a statement of its own,
//! so that no snapshot is held while it is decoded.

use std::collections::BTreeSet;

use iot_core::domain::{Point, SensorNo};
use sqlx::SqliteConnection;

use super::decode::{self, Damaged};
use super::row::{COLUMNS, Corrections, Row, corrected};
use super::statement::Script;
use super::{error, segment};

/// About how many bytes of bodies a page brings.
const PAGE_BYTES: usize = 2 << 20;
/// The first page of a segment, while nothing is known of its rows.
const FIRST: usize = 16;
/// The most rows in a page.
const MOST: usize = 1024;

/// The most sensors that SQLite looks for; for more than these it is faster to decode every row.
const SOUGHT: usize = 32;

/// What is asked for: readings of `[from, to)`, of one sensor or of all, up to a place in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) sensor: Option<SensorNo>,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) seq_to: u64,
}

/// Segments that one commit could not read: each costs itself, and is named in the log once.
#[derive(Debug, Default)]
pub(super) struct Unreadable(BTreeSet<i64>);

impl Unreadable {
    /// Whether a segment is to be passed over.
    pub(super) fn has(&self, segment: i64) -> bool {
        self.0.contains(&segment)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes a segment that is damaged, or that the disk does not give.
    ///
    /// # Errors
    /// When something else went wrong; and after an I/O error, for which SQLite has ended the
    /// transaction: the commit is tried again from its beginning, without the segment.
    pub(super) fn pass_over(
        &mut self,
        segment: i64,
        error: sqlx::Error,
    ) -> Result<(), sqlx::Error> {
        let ended = error::is_io(&error);
        if !ended && !error::is_damage(&error) {
            return Err(error);
        }
        if self.0.insert(segment) {
            tracing::error!(
                segment,
                error = error::words(&error),
                "a segment of the log cannot be read, the change passes over the rest of it"
            );
        }
        if ended { Err(error) } else { Ok(()) }
    }
}

/// Walks one segment's rows in the order of the log.
#[derive(Debug)]
pub(super) struct Rows {
    segment: i64,
    asked: Asked,
    /// Every reading of a sensor begins with such a text; SQLite finds it faster than we parse.
    begins: Vec<String>,
    after: i64,
    limit: usize,
}

impl Rows {
    /// The rows of a segment.
    pub(super) fn new(segment: i64, asked: Asked) -> Self {
        let begins = asked.sensor.into_iter().map(begin).collect();
        Self { segment, asked, begins, after: 0, limit: FIRST }
    }

    /// The rows of a segment that may hold readings of any of several sensors.
    pub(super) fn of(segment: i64, asked: Asked, sensors: &[SensorNo]) -> Self {
        let few = if sensors.len() <= SOUGHT { sensors } else { &[] };
        let begins = few.iter().copied().map(begin).collect();
        Self { begins, ..Self::new(segment, asked) }
    }

    /// What is still asked for may become less while pages are read.
    pub(super) fn until(&mut self, to: i64) {
        self.asked.to = self.asked.to.min(to);
    }

    /// The next page; none at the end.
    pub(super) async fn next(
        &mut self,
        from: &mut SqliteConnection,
    ) -> Result<Option<Vec<Row>>, sqlx::Error> {
        let Asked { from: t_from, to: t_to, seq_to, .. } = self.asked;
        let sought = match self.begins.len() {
            0 => String::new(),
            n => format!("AND ({})", vec!["instr(body, ?) > 0"; n].join(" OR ")),
        };
        let mut script = Script::default();
        script
            .add(&format!(
                "SELECT {COLUMNS} FROM log_{} WHERE seq_first > ? AND seq_first <= ? \
                 AND ((t_max >= ? AND t_min < ?) OR unsynced) \
                 {sought} ORDER BY seq_first LIMIT ?",
                self.segment
            ))
            .bind(self.after)
            .bind(i64::try_from(seq_to).unwrap_or(i64::MAX))
            .bind(t_from)
            .bind(t_to);
        for begins in &self.begins {
            script.bind(begins.clone());
        }
        script.bind(self.limit as i64);
        let rows = script.rows(from).await?;
        let page = rows.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.head.seq_first as i64;
        let bytes: usize = page.iter().map(|row| row.body.len()).sum();
        self.limit = (PAGE_BYTES / (bytes / page.len()).max(1)).clamp(1, MOST);
        Ok(Some(page))
    }
}

fn begin(sensor: SensorNo) -> String {
    format!("[{},", sensor.0)
}

/// The newest reading of a sensor before an instant; of several at one instant the last by `seq`.
/// Segments that cannot be read fail it, or are passed over where there is a list of them.
pub(super) async fn newest(
    from: &mut SqliteConnection,
    sensor: SensorNo,
    before: i64,
    corrections: &Corrections,
    damaged: &mut (dyn FnMut(&Damaged) + Send),
    mut unreadable: Option<&mut Unreadable>,
) -> Result<Option<Point>, sqlx::Error> {
    let mut best: Option<Point> = None;
    // The newest segments first: most of the older ones cannot hold anything later then.
    for segment in segment::list(from).await?.into_iter().rev() {
        if unreadable.as_ref().is_some_and(|unreadable| unreadable.has(segment.id)) {
            continue;
        }
        let mut below = i64::MAX;
        let mut limit = FIRST;
        loop {
            let after = best.as_ref().map_or(i64::MIN, |point| point.ts.as_micros() + 1);
            if !segment.overlaps(after, before) {
                break;
            }
            let mut script = Script::default();
            script
                .add(&format!(
                    "SELECT {COLUMNS} FROM log_{} WHERE seq_first < ? \
                     AND ((t_max >= ? AND t_min < ?) OR unsynced) AND instr(body, ?) > 0 \
                     ORDER BY seq_first DESC LIMIT ?",
                    segment.id
                ))
                .bind(below)
                .bind(after)
                .bind(before)
                .bind(begin(sensor))
                .bind(limit as i64);
            let rows = match (script.rows(from).await, &mut unreadable) {
                (Err(error), Some(unreadable)) => {
                    unreadable.pass_over(segment.id, error)?;
                    break;
                }
                (rows, _) => rows?,
            };
            let page = rows.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = page.last() else { break };
            below = last.head.seq_first as i64;
            limit = (limit * 4).min(MOST / 8);
            for row in &page {
                let found = newest_of_row(row, sensor, before, corrections, damaged);
                if let Some(found) = found
                    && best.as_ref().is_none_or(|best| found.ts > best.ts)
                {
                    best = Some(found);
                }
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(best)
}

fn newest_of_row(
    row: &Row,
    sensor: SensorNo,
    before: i64,
    corrections: &Corrections,
    damaged: &mut (dyn FnMut(&Damaged) + Send),
) -> Option<Point> {
    let mut newest: Option<Point> = None;
    let read = decode::decode(row, Some(sensor), |_, entry| {
        let point = corrected(entry.point, corrections);
        let counts = point.ts.as_micros() < before
            && newest.as_ref().is_none_or(|newest| newest.ts <= point.ts);
        if counts {
            newest = Some(point);
        }
    });
    if let Err(error) = read {
        damaged(&error);
    }
    newest
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error of SQLite with its extended code.
    #[derive(Debug)]
    struct Fails(i32);

    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "code {}", self.0)
        }
    }

    impl std::error::Error for Fails {}

    impl DatabaseError for Fails {
        fn message(&self) -> &str {
            "it fails"
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn damage_is_passed_over_at_once_and_what_the_disk_refuses_at_the_next_try() {
        let mut unreadable = Unreadable::default();
        let mut meets = |segment, code| {
            let result =
                unreadable.pass_over(segment, sqlx::Error::Database(Box::new(Fails(code))));
            (result.is_ok(), unreadable.len(), unreadable.has(segment))
        };
        assert_eq!(meets(3, 11), (true, 1, true));
        // SQLITE_CORRUPT_INDEX, then SQLITE_IOERR_READ.
        assert_eq!(meets(3, 779), (true, 1, true));
        assert_eq!(meets(4, 266), (false, 2, true));
        // SQLITE_FULL and SQLITE_BUSY are no faults of a segment.
        assert_eq!(meets(5, 13), (false, 2, false));
        assert_eq!(meets(5, 5), (false, 2, false));
    }
}

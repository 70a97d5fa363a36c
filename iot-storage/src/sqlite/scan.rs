//! Rows of a segment that can hold what is asked for, in pages: each page is a statement of its own,
//! so that no snapshot is held while it is decoded.

use iot_core::domain::{Point, SensorNo};
use sqlx::SqliteConnection;

use super::decode::{self, Damaged};
use super::row::{COLUMNS, Corrections, Row, corrected};
use super::segment;
use super::statement::Script;

/// About how many bytes of bodies a page brings.
const PAGE_BYTES: usize = 2 << 20;
/// The first page of a segment, while nothing is known of its rows.
const FIRST: usize = 16;
/// The most rows in a page.
const MOST: usize = 1024;

/// What is asked for: readings of `[from, to)`, of one sensor or of all, up to a place in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) sensor: Option<SensorNo>,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) seq_to: u64,
}

/// Walks one segment's rows in the order of the log.
#[derive(Debug)]
pub(super) struct Rows {
    segment: i64,
    asked: Asked,
    after: i64,
    limit: usize,
}

impl Rows {
    /// The rows of a segment.
    pub(super) fn new(segment: i64, asked: Asked) -> Self {
        Self { segment, asked, after: 0, limit: FIRST }
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
        let Asked { sensor, from: t_from, to: t_to, seq_to } = self.asked;
        let mut script = Script::default();
        script
            .add(&format!(
                "SELECT {COLUMNS} FROM log_{} WHERE seq_first > ? AND seq_first <= ? \
                 AND ((t_max >= ? AND t_min < ?) OR unsynced) \
                 AND (? IS NULL OR instr(body, ?) > 0) ORDER BY seq_first LIMIT ?",
                self.segment
            ))
            .bind(self.after)
            .bind(i64::try_from(seq_to).unwrap_or(i64::MAX))
            .bind(t_from)
            .bind(t_to);
        // Every reading of a sensor begins with this text; SQLite finds it faster than we parse.
        let begins = sensor.map(|no| format!("[{},", no.0));
        script.bind(begins.clone()).bind(begins).bind(self.limit as i64);
        let rows = script.rows(from).await?;
        let page = rows.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.head.seq_first as i64;
        let bytes: usize = page.iter().map(|row| row.body.len()).sum();
        self.limit = (PAGE_BYTES / (bytes / page.len()).max(1)).clamp(1, MOST);
        Ok(Some(page))
    }
}

/// The newest reading of a sensor before an instant; of several at one instant the last by `seq`.
pub(super) async fn newest(
    from: &mut SqliteConnection,
    sensor: SensorNo,
    before: i64,
    corrections: &Corrections,
    damaged: &mut (dyn FnMut(&Damaged) + Send),
) -> Result<Option<Point>, sqlx::Error> {
    let mut best: Option<Point> = None;
    // The newest segments first: most of the older ones cannot hold anything later then.
    for segment in segment::list(from).await?.into_iter().rev() {
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
                .bind(format!("[{},", sensor.0))
                .bind(limit as i64);
            let rows = script.rows(from).await?;
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

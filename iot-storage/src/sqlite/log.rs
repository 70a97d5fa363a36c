//! The log port: commits by the writer, pages of the log from any place on.

use async_trait::async_trait;
use iot_core::domain::Seq;
use iot_core::port::{
    Commit, Committed, CursorMove, CursorName, Figures, Log, LogError, LogErrorKind, LogPage,
    Logged,
};
use sqlx::{Row as _, SqliteConnection};

use super::row::{COLUMNS, Corrections, Row, corrected};
use super::segment::Segment;
use super::shared::Shared;
use super::statement::Script;
use super::{change, decode, error, segment};

/// The most rows of one statement.
const ROWS: usize = 512;

#[async_trait]
impl Log for Shared {
    async fn commit(&self, commit: &Commit) -> Result<Committed, LogError> {
        let mut writer = self.writer.lock().await;
        let result = match writer.commit(commit).await {
            // Removing readings needs room too: the reserve is for it.
            Err(error)
                if error.kind == LogErrorKind::Full
                    && commit.changes.iter().any(change::removes) =>
            {
                if self.reserve.release() {
                    writer.commit(commit).await
                } else {
                    Err(error)
                }
            }
            result => result,
        };
        let figures = writer.figures();
        self.published.set_figures(figures);
        let bytes = result?;
        if !commit.changes.is_empty() {
            self.published.set_corrections(writer.corrections());
        }
        self.checkpoint.wrote(bytes);
        if let Some(connection) = writer.connection() {
            self.checkpoint.help(connection).await;
        }
        self.reserve.keep().await;
        Ok(Committed { figures })
    }

    async fn read(&self, from: Seq, limit: usize) -> Result<LogPage, LogError> {
        let failed = |error: sqlx::Error| error::log("read", &error);
        let from = Seq(from.0.max(1));
        let corrections = self.published.corrections();
        let mut reader = self.readers.acquire().await.map_err(failed)?;
        let segments = segment::list(&mut reader).await.map_err(failed)?;
        check(&segments, from)?;
        let mut page = LogPage { readings: Vec::new(), next: from };
        for segment in &segments {
            if segment.closed.is_some_and(|closed| closed.seq_last < page.next.0) {
                continue;
            }
            while page.readings.len() < limit {
                let room = limit - page.readings.len();
                let rows = rows(&mut reader, segment.id, page.next, room).await.map_err(failed)?;
                if rows.is_empty() {
                    // A stretch without rows does not hold anybody up.
                    if let Some(closed) = segment.closed {
                        page.next = page.next.max(Seq(closed.seq_last + 1));
                    }
                    break;
                }
                for row in &rows {
                    if page.readings.len() >= limit {
                        break;
                    }
                    self.add(&mut page, row, limit, &corrections);
                    tokio::task::yield_now().await;
                }
            }
        }
        let known = self.published.figures().stored;
        if page.readings.is_empty() && page.next.0 > known + 1 {
            return Err(never_was(from, known));
        }
        Ok(page)
    }

    async fn end(&self) -> Result<Seq, LogError> {
        let mut writer = self.writer.lock().await;
        let end = writer.end().await?;
        self.published.set_figures(writer.figures());
        self.published.set_corrections(writer.corrections());
        Ok(end)
    }

    async fn figures(&self) -> Result<Figures, LogError> {
        Ok(self.published.figures())
    }

    async fn cursors(&self) -> Result<Vec<CursorMove>, LogError> {
        cursors(self).await.map_err(|error| error::log("read its cursors", &error))
    }
}

impl Shared {
    /// Adds a row's readings from `page.next` on, as far as the page goes.
    fn add(&self, page: &mut LogPage, row: &Row, limit: usize, corrections: &Corrections) {
        let (from, room) = (page.next.0, limit - page.readings.len());
        let mut taken = Vec::new();
        let mut next = row.head.seq_last + 1;
        let read = decode::decode(row, None, |seq, entry| {
            if seq < from {
                return;
            }
            if taken.len() == room {
                next = next.min(seq);
                return;
            }
            let point = corrected(entry.point, corrections);
            taken.push(Logged { seq: Seq(seq), sensor: entry.sensor, point });
        });
        page.next = Seq(row.head.seq_last + 1);
        match read {
            Ok(()) => {
                page.next = Seq(next);
                page.readings.append(&mut taken);
            }
            Err(damaged) => self.published.damaged(&damaged),
        }
    }
}

fn check(segments: &[Segment], from: Seq) -> Result<(), LogError> {
    match segments.first() {
        Some(first) if from.0 < first.seq_first => Err(LogError {
            kind: LogErrorKind::OutOfRange,
            doing: "read",
            why: format!("reading {from} is not kept any more; the first is {}", first.seq_first),
        }),
        _ => Ok(()),
    }
}

fn never_was(from: Seq, end: u64) -> LogError {
    LogError {
        kind: LogErrorKind::OutOfRange,
        doing: "read",
        why: format!("reading {from} is past the end of the log, which is {end}"),
    }
}

/// Rows from the one that holds `from` on, as many as so many readings can lie in.
async fn rows(
    reader: &mut SqliteConnection,
    segment: i64,
    from: Seq,
    room: usize,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut script = Script::default();
    script
        .add(&format!(
            "SELECT {COLUMNS} FROM log_{segment} WHERE seq_first >= coalesce( \
             (SELECT max(seq_first) FROM log_{segment} WHERE seq_first <= ?), 0) \
             AND seq_last >= ? AND seq_first < ? ORDER BY seq_first LIMIT ?"
        ))
        .bind(from.0 as i64)
        .bind(from.0 as i64)
        .bind((from.0 as i64).saturating_add(i64::try_from(room).unwrap_or(i64::MAX)))
        .bind(ROWS as i64);
    script.rows(reader).await?.iter().map(Row::read).collect()
}

async fn cursors(shared: &Shared) -> Result<Vec<CursorMove>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT name, seq, began, acknowledged, filtered, dropped FROM cursor ORDER BY name",
    )
    .fetch_all(&shared.readers)
    .await?;
    rows.iter()
        .map(|row| {
            let number = |place: usize| row.try_get::<i64, _>(place).map(|n| n as u64);
            Ok(CursorMove {
                name: CursorName(row.try_get::<String, _>(0)?.into()),
                seq: Seq(number(1)?),
                began: Seq(number(2)?),
                acknowledged: number(3)?,
                filtered: number(4)?,
                dropped: number(5)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use iot_core::domain::{InstanceName, SensorNo, State, TimeRange};
    use iot_core::port::{Change, StoreOptions, Synchronous};

    use super::super::{Limits, open};
    use super::*;

    #[tokio::test]
    async fn the_reserve_is_given_up_for_a_removal_alone() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            url: "sqlite:iot.db".to_owned(),
            data_dir: folder.path().to_owned(),
            synchronous: Synchronous::Normal,
            disk_cap: None,
        };
        let (shared, ..) = open::open_shared(options, Limits::default()).await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 1")
            .execute(shared.writer.lock().await.connection().unwrap())
            .await
            .unwrap();
        let name = InstanceName::parse("big").unwrap();
        let big = || {
            let bytes = vec![7_u8; 1 << 20].into();
            Change::KeepState(name.clone(), State { version: 1, bytes })
        };
        let remove = Change::RemoveReadings { sensor: SensorNo(1), range: TimeRange::ALL };
        let there = || folder.path().join("reserve").exists();
        for (changes, stays) in [(vec![big()], true), (vec![big(), remove], false)] {
            let commit = Commit { first: Seq(1), changes, ..Commit::default() };
            let error = shared.commit(&commit).await.unwrap_err();
            assert_eq!(error.kind, LogErrorKind::Full);
            assert_eq!(there(), stays);
        }
    }
}

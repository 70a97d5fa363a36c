//! What the writer knows of the file: read once when it is opened, then kept in step by the commits.

use std::sync::Arc;

use iot_core::port::{Figures, Removed};
use sqlx::{Row as _, SqliteConnection};

use super::latest::Latest;
use super::row::{self, Corrections, Row, corrected};
use super::segment::{self, Open};
use super::statement::Script;
use super::{corrected as correction, decode};

/// What the writer knows.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) end: u64,
    pub(super) open: Open,
    pub(super) segments: Vec<i64>,
    pub(super) ledger: Ledger,
    pub(super) corrections: Arc<Corrections>,
    pub(super) latest: Latest,
}

/// The stored part of the ledger; the rest follows from the end of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) replaced: u64,
    pub(super) removed: Removed,
}

impl Known {
    /// The ledger's figures.
    pub(super) fn figures(&self) -> Figures {
        let Ledger { replaced, removed } = self.ledger;
        let gone = replaced + removed.age + removed.cap + removed.by_hand;
        Figures { stored: self.end, kept: self.end.saturating_sub(gone), replaced, removed }
    }
}

/// The place of the last committed reading, from the file.
pub(super) async fn end(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let segments = segment::list(connection).await?;
    let Some(open) = segments.iter().find(|s| s.closed.is_none()) else { return Ok(0) };
    let mut script = Script::default();
    script.add(&format!("SELECT seq_last FROM log_{} ORDER BY seq_first DESC LIMIT 1", open.id));
    match script.rows(connection).await?.first() {
        Some(row) => Ok(row.try_get::<i64, _>(0)? as u64),
        None => Ok(open.seq_first - 1),
    }
}

/// Reads what the writer has to know; the open segment is scanned for its newest readings.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Known, sqlx::Error> {
    let segments = segment::list(connection).await?;
    let open = segments
        .iter()
        .find(|s| s.closed.is_none())
        .ok_or_else(|| sqlx::Error::Protocol("the log has no open segment".to_owned()))?;
    let row = sqlx::query("SELECT replaced, removed_age, removed_cap, removed_by_hand FROM ledger")
        .fetch_one(&mut *connection)
        .await?;
    let figure = |place: usize| row.try_get::<i64, _>(place).map(|n| n as u64);
    let ledger = Ledger {
        replaced: figure(0)?,
        removed: Removed { age: figure(1)?, cap: figure(2)?, by_hand: figure(3)? },
    };
    let corrections = Arc::new(correction::all(connection).await?);
    let mut known = Known {
        end: open.seq_first - 1,
        open: Open::new(open.id, open.seq_first),
        segments: segments.iter().map(|s| s.id).collect(),
        ledger,
        corrections,
        latest: Latest::default(),
    };
    let mut after = 0_i64;
    loop {
        let mut script = Script::default();
        script
            .add(&format!(
                "SELECT {} FROM log_{} WHERE seq_first > ? ORDER BY seq_first LIMIT 256",
                row::COLUMNS,
                open.id
            ))
            .bind(after);
        let rows = script.rows(connection).await?;
        if rows.is_empty() {
            return Ok(known);
        }
        for row in &rows {
            let row = Row::read(row)?;
            after = row.head.seq_first as i64;
            known.end = row.head.seq_last;
            known.open.add(&row.head, row.body.len());
            let Known { latest, corrections, .. } = &mut known;
            let read = decode::decode(&row, None, |_, entry| {
                latest.take(entry.sensor, &corrected(entry.point, corrections));
            });
            if let Err(damaged) = read {
                tracing::error!(error = %damaged, "a damaged log row is passed over");
            }
        }
    }
}

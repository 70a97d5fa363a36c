//! Readings removed by hand: their entries become `null` where they stand, so that every other
//! reading keeps its `seq`, and the rows that held them are written again.

use iot_core::domain::{DeviceNo, SensorNo, TimeRange, Timestamp};
use sqlx::{Row as _, SqliteConnection};

use super::known::Known;
use super::row::{Corrections, Row, corrected};
use super::scan::{self, Asked, Rows};
use super::statement::Script;
use super::{decode, encode, latest};

/// Which readings go.
#[derive(Debug, Clone, Copy)]
struct Which {
    from: i64,
    to: i64,
}

/// All of a sensor's readings, those at the end of time too.
const EVERYTHING: Which = Which { from: i64::MIN, to: i64::MAX };

/// Marks a device as removed; with its history where asked.
pub(super) async fn device(
    connection: &mut SqliteConnection,
    known: &mut Known,
    no: DeviceNo,
    history: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE device SET removed = 1 WHERE id = ?")
        .bind(i64::from(no.0))
        .execute(&mut *connection)
        .await?;
    if !history {
        return Ok(());
    }
    let sensors: Vec<i64> = sqlx::query("SELECT id FROM sensor WHERE device = ?")
        .bind(i64::from(no.0))
        .fetch_all(&mut *connection)
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    for sensor in sensors {
        remove(connection, known, SensorNo(sensor as u32), EVERYTHING).await?;
    }
    Ok(())
}

/// Removes the readings of a sensor whose time lies inside the range.
pub(super) async fn readings(
    connection: &mut SqliteConnection,
    known: &mut Known,
    sensor: SensorNo,
    range: TimeRange,
) -> Result<(), sqlx::Error> {
    let which = Which { from: range.from.as_micros(), to: range.to.as_micros() };
    remove(connection, known, sensor, which).await
}

async fn remove(
    connection: &mut SqliteConnection,
    known: &mut Known,
    sensor: SensorNo,
    which: Which,
) -> Result<(), sqlx::Error> {
    let corrections = std::sync::Arc::clone(&known.corrections);
    let mut removed = 0;
    for segment in super::segment::list(connection).await? {
        if !segment.overlaps(which.from, which.to) {
            continue;
        }
        let asked =
            Asked { sensor: Some(sensor), from: which.from, to: which.to, seq_to: known.end };
        let mut rows = Rows::new(segment.id, asked);
        while let Some(page) = rows.next(connection).await? {
            let mut script = Script::default();
            for row in &page {
                removed += strike(&mut script, segment.id, row, sensor, which, &corrections);
            }
            script.run(connection).await?;
        }
    }
    if removed == 0 {
        return Ok(());
    }
    known.ledger.removed.by_hand += removed;
    let newest = scan::newest(connection, sensor, i64::MAX, &corrections, &mut |damaged| {
        tracing::debug!(error = %damaged, "a damaged log row is passed over");
    })
    .await?;
    known.latest.forget(sensor);
    let mut script = Script::default();
    latest::put(&mut script, sensor, newest.as_ref());
    script
        .add("UPDATE ledger SET removed_by_hand = removed_by_hand + ?")
        .bind(i64::try_from(removed).unwrap_or(i64::MAX));
    script.run(connection).await
}

/// Strikes the readings out of one row; gives how many. A damaged row stays as it is.
fn strike(
    script: &mut Script,
    segment: i64,
    row: &Row,
    sensor: SensorNo,
    which: Which,
    corrections: &Corrections,
) -> u64 {
    let mut entries = match decode::decode_all(row) {
        Ok(entries) => entries,
        Err(damaged) => {
            tracing::error!(error = %damaged, "nothing can be removed from a damaged log row");
            return 0;
        }
    };
    let mut removed = 0;
    for entry in &mut entries {
        let goes = entry.as_ref().is_some_and(|entry| {
            let at: Timestamp = corrected(entry.point.clone(), corrections).ts;
            entry.sensor == sensor && which.from <= at.as_micros() && at.as_micros() < which.to
        });
        if goes {
            *entry = None;
            removed += 1;
        }
    }
    if removed == 0 {
        return 0;
    }
    let again = encode::again(&row.head, &entries, row.body.len());
    script
        .add(&format!("UPDATE log_{segment} SET crc = ?, body = ? WHERE seq_first = ?"))
        .bind(i64::from(again.head.crc))
        .bind(again.body)
        .bind(row.head.seq_first as i64);
    removed
}

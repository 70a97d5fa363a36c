//! Corrections of unsynced times: a row a boot, applied when reading, so that no log row is written
//! again for it.

use std::collections::HashMap;
use std::sync::Arc;

use iot_core::domain::{BootId, Point, SensorNo, TimeQuality};
use sqlx::{Row as _, SqliteConnection};

use super::known::Known;
use super::row::{Corrections, corrected};
use super::scan::{self, Asked, Rows, Unreadable};
use super::statement::Script;
use super::{decode, latest};

/// All corrections.
pub(super) async fn all(from: &mut SqliteConnection) -> Result<Corrections, sqlx::Error> {
    sqlx::query("SELECT boot, offset FROM correction")
        .fetch_all(from)
        .await?
        .iter()
        .map(|row| Ok((BootId(row.try_get::<i64, _>(0)? as u32), row.try_get(1)?)))
        .collect()
}

/// Writes a correction down, and looks again for the newest reading of each sensor it concerns.
pub(super) async fn correct(
    connection: &mut SqliteConnection,
    known: &mut Known,
    boot: BootId,
    offset: i64,
    unreadable: &mut Unreadable,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO correction (boot, offset) VALUES (?, ?)")
        .bind(i64::from(boot.0))
        .bind(offset)
        .execute(&mut *connection)
        .await?;
    let mut corrections = Corrections::clone(&known.corrections);
    let before = corrections.insert(boot, offset);
    known.corrections = Arc::new(corrections);
    let concerned = newest_of_boot(connection, known, boot, unreadable).await?;
    if concerned.is_empty() {
        return Ok(());
    }
    let mut current = latest::stored(connection, &Corrections::new()).await?;
    for (sensor, point) in known.latest.clone().all() {
        current.take(sensor, &point);
    }
    let mut script = Script::default();
    for (sensor, point) in concerned {
        let later = current.get(sensor).is_none_or(|now| now.ts <= point.ts);
        let stood = current.get(sensor).is_some_and(|now| {
            before.is_some()
                || matches!(now.time, TimeQuality::Unsynced { boot: of, .. } if of == boot)
        });
        if later {
            known.latest.take(sensor, &point);
            if stood {
                latest::put(&mut script, sensor, Some(&point));
            }
        } else if stood {
            // It was the newest by a clock that ran ahead: whatever is newest now.
            let corrections = Arc::clone(&known.corrections);
            let newest = scan::newest(
                connection,
                sensor,
                i64::MAX,
                &corrections,
                &mut |_| {},
                Some(&mut *unreadable),
            )
            .await?;
            known.latest.forget(sensor);
            latest::put(&mut script, sensor, newest.as_ref());
        }
    }
    script.run(connection).await
}

/// The newest reading of that boot, by corrected time, of each sensor that has one.
async fn newest_of_boot(
    connection: &mut SqliteConnection,
    known: &Known,
    boot: BootId,
    unreadable: &mut Unreadable,
) -> Result<HashMap<SensorNo, Point>, sqlx::Error> {
    let mut found: HashMap<SensorNo, Point> = HashMap::new();
    for segment in super::segment::list(connection).await? {
        let synced = segment.closed.is_some_and(|closed| !closed.unsynced);
        if synced || unreadable.has(segment.id) {
            continue;
        }
        // An empty range: rows with unsynced readings come all the same.
        let asked = Asked { sensor: None, from: i64::MAX, to: i64::MIN, seq_to: known.end };
        let mut rows = Rows::new(segment.id, asked);
        loop {
            let page = match rows.next(connection).await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    unreadable.pass_over(segment.id, error)?;
                    break;
                }
            };
            for row in &page {
                let read = decode::decode(row, None, |_, entry| {
                    let ours = matches!(entry.point.time, TimeQuality::Unsynced { boot: of, .. } if of == boot);
                    if !ours {
                        return;
                    }
                    let point = corrected(entry.point, &known.corrections);
                    match found.get_mut(&entry.sensor) {
                        Some(newest) if newest.ts > point.ts => {}
                        Some(newest) => *newest = point,
                        None => {
                            found.insert(entry.sensor, point);
                        }
                    }
                });
                if let Err(damaged) = read {
                    tracing::debug!(error = %damaged, "a damaged log row is passed over");
                }
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(found)
}

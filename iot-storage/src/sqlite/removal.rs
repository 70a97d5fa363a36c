//! Readings removed by hand: their entries become `null` where they stand, so that every other
//! reading keeps its `seq`, and the rows that held them are written again. All removals of a commit
//! are one pass over the log; rows are decoded on threads for blocking work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iot_core::domain::{DeviceNo, SensorNo};
use iot_core::port::Change;
use sqlx::{Row as _, SqliteConnection};

use super::known::Known;
use super::row::{Corrections, Row, corrected};
use super::scan::{self, Asked, Rows, Unreadable};
use super::statement::Script;
use super::{decode, encode, latest, segment};

/// Rows written again in one round trip.
const SCRIPT: usize = 64;

/// Readings whose time lies in `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Which {
    from: i64,
    to: i64,
}

/// All of a sensor's readings, those at the end of time too.
const EVERYTHING: Which = Which { from: i64::MIN, to: i64::MAX };

/// What goes, of which sensor, by the times that are known now.
struct Removal {
    sensors: BTreeMap<u32, Vec<Which>>,
    corrections: Arc<Corrections>,
}

impl Removal {
    fn goes(&self, entry: &super::row::Entry) -> bool {
        let Some(ranges) = self.sensors.get(&entry.sensor.0) else { return false };
        let at = corrected(entry.point.clone(), &self.corrections).ts.as_micros();
        ranges.iter().any(|which| which.from <= at && at < which.to)
    }
}

/// What was struck out of some rows.
#[derive(Default)]
struct Struck {
    rows: Vec<Row>,
    readings: u64,
    sensors: BTreeSet<u32>,
}

/// Removes the readings that the changes name. What cannot be read is passed over and stays.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    known: &mut Known,
    changes: &[Change],
    unreadable: &mut Unreadable,
) -> Result<(), sqlx::Error> {
    let sensors = named(connection, changes).await?;
    let removal = Arc::new(Removal { sensors, corrections: Arc::clone(&known.corrections) });
    let ranges = || removal.sensors.values().flatten();
    let (Some(from), Some(to)) = (ranges().map(|w| w.from).min(), ranges().map(|w| w.to).max())
    else {
        return Ok(());
    };
    let asked = Asked { sensor: None, from, to, seq_to: known.end };
    let sensors: Vec<SensorNo> = removal.sensors.keys().copied().map(SensorNo).collect();
    let (mut readings, mut touched) = (0, BTreeSet::new());
    for segment in segment::list(connection).await? {
        if !segment.overlaps(from, to) || unreadable.has(segment.id) {
            continue;
        }
        let mut rows = Rows::of(segment.id, asked, &sensors);
        loop {
            let page = match rows.next(connection).await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    unreadable.pass_over(segment.id, error)?;
                    break;
                }
            };
            let removal = Arc::clone(&removal);
            let struck = tokio::task::spawn_blocking(move || strike(&page, &removal))
                .await
                .map_err(|error| sqlx::Error::Protocol(format!("striking ended badly: {error}")))?;
            readings += struck.readings;
            touched.extend(struck.sensors);
            rewrite(connection, segment.id, struck.rows).await?;
        }
    }
    if readings == 0 {
        return Ok(());
    }
    known.ledger.removed.by_hand += readings;
    let mut script = Script::default();
    for sensor in touched {
        let all = removal.sensors.get(&sensor).is_some_and(|ranges| ranges.contains(&EVERYTHING));
        let sensor = SensorNo(sensor);
        let newest = if all {
            None
        } else {
            let mut damaged = |row: &decode::Damaged| {
                tracing::debug!(error = %row, "a damaged log row is passed over");
            };
            let corrections = &removal.corrections;
            scan::newest(connection, sensor, i64::MAX, corrections, &mut damaged, Some(unreadable))
                .await?
        };
        known.latest.forget(sensor);
        latest::put(&mut script, sensor, newest.as_ref());
    }
    script
        .add("UPDATE ledger SET removed_by_hand = removed_by_hand + ?")
        .bind(i64::try_from(readings).unwrap_or(i64::MAX));
    script.run(connection).await
}

/// What the changes name, by sensor.
async fn named(
    connection: &mut SqliteConnection,
    changes: &[Change],
) -> Result<BTreeMap<u32, Vec<Which>>, sqlx::Error> {
    let mut named: BTreeMap<u32, Vec<Which>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::RemoveReadings { sensor, range } => {
                let which = Which { from: range.from.as_micros(), to: range.to.as_micros() };
                named.entry(sensor.0).or_default().push(which);
            }
            Change::RemoveDevice { no, history: true } => {
                for sensor in sensors(connection, *no).await? {
                    named.entry(sensor).or_default().push(EVERYTHING);
                }
            }
            _ => {}
        }
    }
    Ok(named)
}

async fn sensors(
    connection: &mut SqliteConnection,
    device: DeviceNo,
) -> Result<Vec<u32>, sqlx::Error> {
    sqlx::query("SELECT id FROM sensor WHERE device = ?")
        .bind(i64::from(device.0))
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| row.try_get::<i64, _>(0).map(|no| no as u32))
        .collect()
}

/// Strikes the readings out of the rows, and packs again those that held some. A damaged row stays
/// as it is.
fn strike(page: &[Row], removal: &Removal) -> Struck {
    let mut struck = Struck::default();
    for row in page {
        let mut entries = match decode::decode_all(row) {
            Ok(entries) => entries,
            Err(damaged) => {
                tracing::error!(error = %damaged, "nothing can be removed from a damaged log row");
                continue;
            }
        };
        let before = struck.readings;
        for place in &mut entries {
            if let Some(entry) = place.take_if(|entry| removal.goes(entry)) {
                struck.readings += 1;
                struck.sensors.insert(entry.sensor.0);
            }
        }
        if struck.readings > before {
            struck.rows.push(encode::again(&row.head, &entries, row.body.len()));
        }
    }
    struck
}

async fn rewrite(
    connection: &mut SqliteConnection,
    segment: i64,
    rows: Vec<Row>,
) -> Result<(), sqlx::Error> {
    let mut script = Script::default();
    for row in rows {
        script
            .add(&format!("UPDATE log_{segment} SET crc = ?, body = ? WHERE seq_first = ?"))
            .bind(i64::from(row.head.crc))
            .bind(row.body)
            .bind(row.head.seq_first as i64);
        if script.len() >= SCRIPT {
            std::mem::take(&mut script).run(connection).await?;
        }
    }
    script.run(connection).await
}

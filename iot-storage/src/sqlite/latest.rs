//! The newest reading of each sensor by its own time: in memory for the open segment, in the sensor's
//! row as of the last closed one. At a start the open segment alone is scanned.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use iot_core::domain::{Point, SensorNo, Timestamp};
use sqlx::{Row as _, SqliteConnection};

use super::row::{Corrections, Head, Row, corrected};
use super::statement::Script;
use super::{decode, encode};

/// Newest readings by sensor.
#[derive(Debug, Default, Clone)]
pub(super) struct Latest {
    points: HashMap<u32, Point, FixedState>,
}

impl Latest {
    /// Takes a reading that comes after all others by `seq`: at equal times it counts.
    pub(super) fn take(&mut self, sensor: SensorNo, point: &Point) {
        match self.points.get_mut(&sensor.0) {
            Some(known) if known.ts > point.ts => {}
            Some(known) => known.clone_from(point),
            None => {
                self.points.insert(sensor.0, point.clone());
            }
        }
    }

    /// Whether a reading of that time would count.
    pub(super) fn would_take(&self, sensor: SensorNo, ts: Timestamp) -> bool {
        self.points.get(&sensor.0).is_none_or(|known| known.ts <= ts)
    }

    /// The newest reading of a sensor.
    pub(super) fn get(&self, sensor: SensorNo) -> Option<&Point> {
        self.points.get(&sensor.0)
    }

    /// Forgets a sensor.
    pub(super) fn forget(&mut self, sensor: SensorNo) {
        self.points.remove(&sensor.0);
    }

    /// Begins anew, with a new segment.
    pub(super) fn clear(&mut self) {
        self.points.clear();
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = (SensorNo, Point)> {
        self.points.into_iter().map(|(no, point)| (SensorNo(no), point))
    }

    /// Writes the sensors' rows, in one statement for all. A row that has something newer stays.
    pub(super) fn write(&self, script: &mut Script) {
        if self.points.is_empty() {
            return;
        }
        let rows: Vec<(u32, i64, String)> = self
            .points
            .iter()
            .map(|(no, point)| (*no, point.ts.as_micros(), pack(SensorNo(*no), point)))
            .collect();
        let rows = serde_json::to_string(&rows).unwrap_or_default();
        script
            .add(
                "UPDATE sensor SET latest_ts = j.value->>1, latest = j.value->>2 \
                 FROM json_each(?) AS j WHERE sensor.id = j.value->>0 \
                 AND (sensor.latest_ts IS NULL OR sensor.latest_ts <= j.value->>1)",
            )
            .bind(rows);
    }
}

/// Puts one sensor's row to what is given, whatever it was.
pub(super) fn put(script: &mut Script, sensor: SensorNo, point: Option<&Point>) {
    script
        .add("UPDATE sensor SET latest_ts = ?, latest = ? WHERE id = ?")
        .bind(point.map(|p| p.ts.as_micros()))
        .bind(point.map(|p| pack(sensor, p)))
        .bind(i64::from(sensor.0));
}

/// What the sensors' rows say.
pub(super) async fn stored(
    from: &mut SqliteConnection,
    corrections: &Corrections,
) -> Result<Latest, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, latest_ts, latest FROM sensor WHERE latest IS NOT NULL AND latest_ts IS NOT NULL",
    )
    .fetch_all(from)
    .await?;
    let mut latest = Latest::default();
    for row in rows {
        let sensor = SensorNo(row.try_get::<i64, _>(0)? as u32);
        match unpack(row.try_get(1)?, row.try_get(2)?) {
            Ok(point) => latest.take(sensor, &corrected(point, corrections)),
            Err(error) => {
                tracing::error!(sensor = sensor.0, %error, "the kept newest value is damaged");
            }
        }
    }
    Ok(latest)
}

fn pack(sensor: SensorNo, point: &Point) -> String {
    encode::encode(&[(sensor, point)], 1).0.body
}

fn unpack(ts: i64, body: String) -> Result<Point, String> {
    let head = Head {
        seq_first: 1,
        seq_last: 1,
        t_min: ts,
        t_max: ts,
        t_unit: 1000,
        unsynced: false,
        crc: crc32c::crc32c(body.as_bytes()),
    };
    let mut found = None;
    decode::decode(&Row { head, body }, None, |_, entry| found = Some(entry.point))
        .map_err(|damaged| damaged.why)?;
    found.ok_or_else(|| "it is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use iot_core::domain::{BootId, Quality, TimeQuality, Value};

    use super::*;

    #[test]
    fn a_kept_value_comes_back_as_it_was() {
        let point = Point {
            ts: Timestamp::from_micros(1_700_000_000_123_457),
            value: Some(Value::from("open \"door\"")),
            quality: Quality::Suspect("late".into()),
            time: TimeQuality::Unsynced { boot: BootId(7), monotonic_us: -5 },
        };
        let body = pack(SensorNo(9), &point);
        assert_eq!(unpack(point.ts.as_micros(), body), Ok(point));
    }

    #[test]
    fn the_newest_by_its_own_time_counts_and_the_last_of_two_at_one_instant() {
        let point = |ts, value: f64| Point {
            ts: Timestamp::from_micros(ts),
            value: Some(Value::Number(value)),
            quality: Quality::Good,
            time: TimeQuality::Synced,
        };
        let mut latest = Latest::default();
        for (ts, value) in [(5, 1.0), (9, 2.0), (7, 3.0), (9, 4.0)] {
            latest.take(SensorNo(1), &point(ts, value));
        }
        assert_eq!(latest.get(SensorNo(1)), Some(&point(9, 4.0)));
    }
}

//! The latest value of each sensor, for snapshots.
//!
//! - In: accepted readings, from intake; the history's newest, at start
//! - Out: copies, to whoever asks
//! - Bound: one point a sensor
//! - When full: never; the number of sensors has its own limit
//! - Counter: none
//!
//! "Latest" goes by a reading's own time: a late one does not replace a newer one.

use std::sync::{PoisonError, RwLock};

use crate::domain::{Point, Reading, SensorNo, TimeRange};

#[derive(Debug, Default)]
pub(crate) struct Latest(RwLock<Vec<Option<Point>>>);

impl Latest {
    pub(crate) fn restore(&self, points: Vec<(SensorNo, Point)>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (no, point) in points {
            *slot(&mut all, no) = Some(point);
        }
    }

    pub(crate) fn take(&self, readings: &[Reading]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for reading in readings {
            let slot = slot(&mut all, reading.sensor.no);
            if slot.as_ref().is_none_or(|old| old.ts <= reading.ts) {
                *slot = Some(Point {
                    ts: reading.ts,
                    value: reading.value.clone(),
                    quality: reading.quality.clone(),
                    time: reading.time,
                });
            }
        }
    }

    pub(crate) fn get(&self, no: SensorNo) -> Option<Point> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(no.0 as usize).cloned().flatten()
    }

    /// Its device was deleted with its history.
    pub(crate) fn forget(&self, no: SensorNo) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *slot(&mut all, no) = None;
    }

    /// Readings of a range were removed by hand; `newest` is what the history holds after that. One
    /// that was taken in meanwhile stays.
    pub(crate) fn removed(&self, no: SensorNo, range: TimeRange, newest: Option<Point>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slot(&mut all, no);
        if slot.as_ref().is_some_and(|latest| range.contains(latest.ts)) {
            *slot = newest;
        }
    }
}

fn slot(all: &mut Vec<Option<Point>>, no: SensorNo) -> &mut Option<Point> {
    let index = no.0 as usize;
    if index >= all.len() {
        all.resize(index + 1, None);
    }
    &mut all[index]
}

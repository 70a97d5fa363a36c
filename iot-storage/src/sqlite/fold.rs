//! Readings to buckets, each instant counted once, in memory that does not grow with the readings.
//!
//! Readings come in the order of the log, and nearly always in the order of their time too: then each
//! is counted as it comes. One that is not later than all before it may be a repetition; its instant
//! is *contested*. Where there were such instants the readings are gone through a second time: what is
//! not contested is counted as before, and each contested instant once, with its last reading.

use std::collections::{BTreeMap, HashMap};

use iot_core::domain::{Point, Timestamp, Value};
use iot_core::port::{Bucket, BucketPage, Grid, PAGE, Resume};

use super::history::Fold;

/// Buckets in the making.
#[derive(Debug)]
pub(super) struct Buckets {
    grid: Grid,
    limit: usize,
    buckets: BTreeMap<i64, (i64, Bucket)>,
    newest: i64,
    contested: HashMap<i64, Option<Value>>,
    second: bool,
    /// Where the first time through was cut: what was passed over there may hold repetitions too.
    cut: Option<i64>,
}

impl Buckets {
    /// The first time through.
    pub(super) fn new(grid: Grid) -> Self {
        Self {
            grid,
            limit: PAGE,
            buckets: BTreeMap::new(),
            newest: i64::MIN,
            contested: HashMap::new(),
            second: false,
            cut: None,
        }
    }

    /// What has to be gone through again; none where the page is ready.
    pub(super) fn again(&mut self) -> Option<Self> {
        if self.contested.is_empty() {
            return None;
        }
        Some(Self {
            contested: std::mem::take(&mut self.contested),
            second: true,
            cut: self.until(),
            ..Self::new(self.grid.clone())
        })
    }

    /// The page, after the last time through.
    pub(super) fn page(mut self) -> BucketPage {
        let contested = std::mem::take(&mut self.contested);
        if self.second {
            for (at, value) in contested {
                self.count(at, value);
            }
        }
        let mut next = self.cut;
        if self.buckets.len() > self.limit {
            next = self.buckets.pop_last().map(|(start, _)| start);
        }
        let next = next.map(|start| Resume(Timestamp::from_micros(start)));
        BucketPage { buckets: self.buckets.into_values().map(|(_, bucket)| bucket).collect(), next }
    }

    fn count(&mut self, at: i64, value: Option<Value>) {
        if self.cut.is_some_and(|cut| at >= cut) {
            return;
        }
        let Some(value) = value else { return };
        let Some(start) = self.grid.start(Timestamp::from_micros(at)) else { return };
        let key = start.as_micros();
        if self.buckets.len() > self.limit
            && self.buckets.last_key_value().is_some_and(|(last, _)| key > *last)
        {
            return;
        }
        let number = value.as_number();
        match self.buckets.get_mut(&key) {
            Some((last_at, bucket)) => {
                bucket.count += 1;
                if let Some(number) = number {
                    bucket.sum += number;
                    bucket.min = bucket.min.min(number);
                    bucket.max = bucket.max.max(number);
                }
                if at >= *last_at {
                    *last_at = at;
                    bucket.last = value;
                }
            }
            None => {
                let number = number.unwrap_or(0.0);
                let bucket =
                    Bucket { start, count: 1, sum: number, min: number, max: number, last: value };
                self.buckets.insert(key, (at, bucket));
                if self.buckets.len() > self.limit + 1 {
                    self.buckets.pop_last();
                }
            }
        }
    }
}

impl Fold for Buckets {
    fn take(&mut self, point: Point) {
        let at = point.ts.as_micros();
        if self.second {
            if !self.contested.contains_key(&at) {
                self.count(at, point.value);
            }
        } else if at > self.newest {
            self.newest = at;
            self.count(at, point.value);
        } else {
            self.contested.insert(at, point.value);
        }
    }

    fn until(&self) -> Option<i64> {
        // A bucket that is dropped begins later than the last one held.
        if self.buckets.len() > self.limit {
            self.buckets.last_key_value().map(|(start, _)| *start)
        } else {
            self.cut
        }
    }
}

//! The history in memory: a map by time for each sensor, folded as asked.

use async_trait::async_trait;
use iot_core::domain::{Point, SensorNo, TimeRange, Timestamp};
use iot_core::port::{Bucket, BucketPage, Buckets, History, HistoryError, PAGE, RawPage, Resume};

use super::Memory;

impl Memory {
    /// A sensor's readings inside a range, in time order.
    fn points(&self, sensor: SensorNo, range: TimeRange) -> Vec<Point> {
        if range.from >= range.to {
            return Vec::new();
        }
        self.by_time(sensor).range(range.from..range.to).map(|(_, p)| p.clone()).collect()
    }
}

fn after(range: TimeRange, resume: Option<Resume>) -> TimeRange {
    TimeRange { from: resume.map_or(range.from, |r| r.0.max(range.from)), ..range }
}

#[async_trait]
impl History for Memory {
    async fn raw(
        &self,
        sensor: SensorNo,
        range: TimeRange,
        resume: Option<Resume>,
        limit: usize,
    ) -> Result<RawPage, HistoryError> {
        let mut points = self.points(sensor, after(range, resume));
        let limit = limit.min(PAGE);
        let next = points.get(limit).map(|p| Resume(p.ts));
        points.truncate(limit);
        Ok(RawPage { points, next })
    }

    async fn buckets(
        &self,
        sensor: SensorNo,
        what: &Buckets,
        resume: Option<Resume>,
    ) -> Result<BucketPage, HistoryError> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for point in self.points(sensor, after(what.range, resume)) {
            let Some(value) = point.value else { continue };
            let Some(start) = what.grid.start(point.ts) else { continue };
            let n = value.as_number().unwrap_or(0.0);
            let full = buckets.len() == PAGE;
            match buckets.last_mut().filter(|b| b.start == start) {
                Some(bucket) => {
                    bucket.count += 1;
                    bucket.sum += n;
                    bucket.min = bucket.min.min(n);
                    bucket.max = bucket.max.max(n);
                    bucket.last = value;
                }
                None if full => {
                    return Ok(BucketPage { buckets, next: Some(Resume(point.ts)) });
                }
                None => {
                    buckets.push(Bucket { start, count: 1, sum: n, min: n, max: n, last: value })
                }
            }
        }
        Ok(BucketPage { buckets, next: None })
    }

    async fn latest_before(
        &self,
        sensor: SensorNo,
        before: Timestamp,
    ) -> Result<Option<Point>, HistoryError> {
        Ok(self.by_time(sensor).range(..before).next_back().map(|(_, point)| point.clone()))
    }

    async fn latest(&self) -> Result<Vec<(SensorNo, Point)>, HistoryError> {
        let sensors: Vec<SensorNo> = self.lock().sensors.values().map(|s| s.no).collect();
        let newest = sensors
            .into_iter()
            .filter_map(|no| self.by_time(no).pop_last().map(|(_, point)| (no, point)));
        Ok(newest.collect())
    }
}

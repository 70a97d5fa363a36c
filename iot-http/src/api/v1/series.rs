//! Readings of one sensor as columns, read from the history page by page.

use iot_core::domain::{Point, Quality, Sensor, TimeRange, Timestamp, Value, ValueType};
use iot_core::port::{Bucket, Buckets, Grid, Resume};
use serde::Serialize;

use crate::problem::Problem;
use crate::state::App;

/// All buckets of a range; the grid bounds how many there can be. Empty ones are left out.
pub(super) async fn buckets(
    app: &App,
    sensor: &Sensor,
    range: TimeRange,
    grid: Grid,
) -> Result<Vec<Bucket>, Problem> {
    let what = Buckets { range, grid };
    let mut all = Vec::new();
    let mut resume = None;
    loop {
        let page = app.gateway.history().buckets(sensor.no, &what, resume).await?;
        all.extend(page.buckets.into_iter().filter(|bucket| bucket.count > 0));
        match page.next {
            Some(next) => resume = Some(next),
            None => return Ok(all),
        }
    }
}

/// Readings of a range up to a number of them, and where the rest begins.
pub(super) async fn raw(
    app: &App,
    sensor: &Sensor,
    range: TimeRange,
    mut resume: Option<Resume>,
    most: usize,
) -> Result<(Vec<Point>, Option<Resume>), Problem> {
    let mut all: Vec<Point> = Vec::new();
    loop {
        let left = most - all.len();
        let page = app.gateway.history().raw(sensor.no, range, resume, left).await?;
        all.extend(page.points);
        resume = page.next;
        if resume.is_none() || all.len() >= most {
            return Ok((all, resume));
        }
    }
}

/// All readings of a range where there are no more than so many; else none.
pub(super) async fn few(
    app: &App,
    sensor: &Sensor,
    range: TimeRange,
    most: usize,
) -> Result<Option<Vec<Point>>, Problem> {
    let (points, _) = raw(app, sensor, range, None, most + 1).await?;
    Ok((points.len() <= most).then_some(points))
}

/// Raw readings as columns.
#[derive(Debug, Serialize)]
pub(super) struct RawColumns {
    t: Vec<Timestamp>,
    v: Vec<Option<Value>>,
    /// Left out where all are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Vec<&'static str>>,
}

impl From<Vec<Point>> for RawColumns {
    fn from(points: Vec<Point>) -> Self {
        let all_good = points.iter().all(|point| point.quality.is_good());
        let words = || points.iter().map(|point| Quality::word(&point.quality)).collect();
        Self {
            quality: (!all_good).then(words),
            t: points.iter().map(|point| point.ts).collect(),
            v: points.into_iter().map(|point| point.value).collect(),
        }
    }
}

/// Buckets as columns, laid over the starts that are asked for: `null` where there is none. A text
/// has `last` and `count` alone.
#[derive(Debug, Serialize)]
pub(super) struct BucketColumns {
    #[serde(skip_serializing_if = "Option::is_none")]
    avg: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Vec<Option<Value>>>,
    count: Vec<Option<u64>>,
}

impl BucketColumns {
    /// Lays ascending buckets over ascending starts.
    pub(super) fn over(starts: &[Timestamp], buckets: Vec<Bucket>, of: ValueType) -> Self {
        let mut buckets = buckets.into_iter().peekable();
        let laid: Vec<Option<Bucket>> =
            starts.iter().map(|start| buckets.next_if(|b| b.start == *start)).collect();
        let numbers = |pick: fn(&Bucket) -> f64| {
            (of != ValueType::Text).then(|| laid.iter().map(|b| b.as_ref().map(pick)).collect())
        };
        Self {
            avg: numbers(|b| b.sum / b.count as f64),
            min: numbers(|b| b.min),
            max: numbers(|b| b.max),
            count: laid.iter().map(|b| b.as_ref().map(|b| b.count)).collect(),
            last: (of == ValueType::Text)
                .then(|| laid.into_iter().map(|b| b.map(|b| b.last)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(ms: i64, sum: f64, count: u64) -> Bucket {
        let last = Value::Number(sum);
        Bucket { start: Timestamp::from_millis(ms), count, sum, min: sum, max: sum, last }
    }

    #[test]
    fn columns_have_a_place_for_each_start() {
        let starts = [0, 10, 20].map(Timestamp::from_millis);
        let two = vec![bucket(0, 3.0, 2), bucket(20, 5.0, 1)];
        let columns = BucketColumns::over(&starts, two, ValueType::Number);
        assert_eq!(columns.avg, Some(vec![Some(1.5), None, Some(5.0)]));
        assert_eq!(columns.count, [Some(2), None, Some(1)]);
        assert!(columns.last.is_none());
        let text = BucketColumns::over(&starts[..1], vec![bucket(0, 1.0, 1)], ValueType::Text);
        assert!(text.avg.is_none() && text.last.is_some());
    }
}

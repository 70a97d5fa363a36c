//! The history: readings by sensor and time. For one sensor and instant the last by `seq` counts.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Point, SensorNo, TimeRange, Timestamp, Value};

/// The most points or buckets in one page.
pub const PAGE: usize = 10_000;

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume(pub Timestamp);

/// A page of readings in time order.
#[derive(Debug, Clone, PartialEq)]
pub struct RawPage {
    /// At most [`PAGE`] points.
    pub points: Vec<Point>,
    /// Where to go on; none at the end.
    pub next: Option<Resume>,
}

/// How time is cut into buckets.
#[derive(Debug, Clone, PartialEq)]
pub enum Grid {
    /// Equal widths in microseconds, aligned to the epoch.
    Width(i64),
    /// Calendar edges, ascending: bucket `n` is `[edges[n], edges[n + 1])`.
    Edges(Arc<[Timestamp]>),
}

impl Grid {
    /// The start of the bucket that holds `at`; none outside the calendar's edges.
    #[must_use]
    pub fn start(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Width(width) => {
                let width = (*width).max(1);
                Some(Timestamp::from_micros(at.as_micros().div_euclid(width) * width))
            }
            Self::Edges(edges) => {
                let after = edges.partition_point(|edge| *edge <= at);
                (after > 0 && after < edges.len()).then(|| edges[after - 1])
            }
        }
    }
}

/// The readings of one stretch of time, drawn together. Bad ones without a value do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Where it starts, before it is clipped by the range asked for.
    pub start: Timestamp,
    /// How many values.
    pub count: u64,
    /// Their sum; booleans count as 0 and 1, a text has none.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The last by time.
    pub last: Value,
}

/// A page of buckets in time order; empty ones are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketPage {
    /// At most [`PAGE`] buckets.
    pub buckets: Vec<Bucket>,
    /// Where to go on; none at the end.
    pub next: Option<Resume>,
}

/// What to draw together.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    /// The range; readings outside do not count, so the first and last bucket are clipped.
    pub range: TimeRange,
    /// How it is cut.
    pub grid: Grid,
}

/// The history could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the history could not be read: {why}")]
pub struct HistoryError {
    /// What went wrong, in words.
    pub why: String,
}

/// Readings by sensor and time, each page a read of its own: nobody holds a snapshot for long.
#[async_trait]
pub trait History: Send + Sync {
    /// Readings of a sensor inside a range, at most `limit` (and [`PAGE`]) of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn raw(
        &self,
        sensor: SensorNo,
        range: TimeRange,
        resume: Option<Resume>,
        limit: usize,
    ) -> Result<RawPage, HistoryError>;

    /// Buckets of a sensor, at most [`PAGE`] of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn buckets(
        &self,
        sensor: SensorNo,
        what: &Buckets,
        resume: Option<Resume>,
    ) -> Result<BucketPage, HistoryError>;

    /// The newest reading of a sensor before an instant.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn latest_before(
        &self,
        sensor: SensorNo,
        before: Timestamp,
    ) -> Result<Option<Point>, HistoryError>;

    /// The newest reading of every sensor, for the start.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn latest(&self) -> Result<Vec<(SensorNo, Point)>, HistoryError>;
}

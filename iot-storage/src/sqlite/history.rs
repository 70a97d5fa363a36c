//! The history port, computed from the log's rows: right first. What decodes much runs on threads for
//! blocking work, two queries at once, a page of rows at a time.

use async_trait::async_trait;
use iot_core::domain::{Point, SensorNo, TimeRange, Timestamp};
use iot_core::port::{BucketPage, Buckets as Asking, History, HistoryError, PAGE, RawPage, Resume};

use super::fold::{Buckets, Parts};
use super::row::{Row, corrected};
use super::scan::{self, Asked, Rows};
use super::shared::Shared;
use super::window::Window;
use super::{decode, error, latest, segment};

/// What is made of a sensor's readings, which come in the order of the log.
pub(super) trait Fold: Send + 'static {
    /// The next reading.
    fn take(&mut self, point: Point);
    /// The last instant that can still matter; none while all can.
    fn until(&self) -> Option<i64>;
}

#[async_trait]
impl History for Shared {
    async fn raw(
        &self,
        sensor: SensorNo,
        range: TimeRange,
        resume: Option<Resume>,
        limit: usize,
    ) -> Result<RawPage, HistoryError> {
        let _place = self.place().await?;
        let asked = self.asked(sensor, range, resume);
        let window = Window::new(limit.clamp(1, PAGE));
        Ok(self.fold(asked, sensor, window).await?.page())
    }

    async fn buckets(
        &self,
        sensor: SensorNo,
        what: &Asking,
        resume: Option<Resume>,
    ) -> Result<BucketPage, HistoryError> {
        let _place = self.place().await?;
        let asked = self.asked(sensor, what.range, resume);
        let mut parts = Parts::new(asked.from, asked.to);
        while let Some(part) = parts.next() {
            let asked = Asked { from: part.0, to: part.1, ..asked };
            let mut buckets = self.fold(asked, sensor, Buckets::new(what.grid.clone())).await?;
            if let Some(at) = buckets.split() {
                parts.split(part, at);
                continue;
            }
            if let Some(again) = buckets.again() {
                buckets = self.fold(asked, sensor, again).await?;
            }
            parts.add(buckets.page());
        }
        Ok(parts.page())
    }

    async fn latest_before(
        &self,
        sensor: SensorNo,
        before: Timestamp,
    ) -> Result<Option<Point>, HistoryError> {
        let _place = self.place().await?;
        let corrections = self.published.corrections();
        let mut reader = self.readers.acquire().await.map_err(|e| error::history(&e))?;
        let mut damaged = |row: &decode::Damaged| self.published.damaged(row);
        scan::newest(&mut reader, sensor, before.as_micros(), &corrections, &mut damaged, None)
            .await
            .map_err(|e| error::history(&e))
    }

    async fn latest(&self) -> Result<Vec<(SensorNo, Point)>, HistoryError> {
        let (open, corrections) = {
            let writer = self.writer.lock().await;
            (writer.known.latest.clone(), writer.corrections())
        };
        let mut reader = self.readers.acquire().await.map_err(|e| error::history(&e))?;
        let mut all =
            latest::stored(&mut reader, &corrections).await.map_err(|e| error::history(&e))?;
        for (sensor, point) in open.all() {
            all.take(sensor, &point);
        }
        let mut all: Vec<_> = all.all().collect();
        all.sort_unstable_by_key(|(sensor, _)| *sensor);
        Ok(all)
    }
}

impl Shared {
    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, HistoryError> {
        self.heavy
            .acquire()
            .await
            .map_err(|_| HistoryError { why: "the store is closed".to_owned() })
    }

    fn asked(&self, sensor: SensorNo, range: TimeRange, resume: Option<Resume>) -> Asked {
        let from = resume.map_or(range.from, |resume| resume.0.max(range.from));
        Asked {
            sensor: Some(sensor),
            from: from.as_micros(),
            to: range.to.as_micros(),
            // What is committed meanwhile is for the next question.
            seq_to: self.published.figures().stored,
        }
    }

    /// Hands all readings that are asked for to `fold`, in the order of the log.
    async fn fold<F: Fold>(
        &self,
        asked: Asked,
        sensor: SensorNo,
        mut fold: F,
    ) -> Result<F, HistoryError> {
        let failed = |e: sqlx::Error| error::history(&e);
        if asked.from >= asked.to {
            return Ok(fold);
        }
        let segments = {
            let mut reader = self.readers.acquire().await.map_err(failed)?;
            segment::list(&mut reader).await.map_err(failed)?
        };
        for segment in segments {
            let to = fold.until().map_or(asked.to, |until| asked.to.min(until.saturating_add(1)));
            if !segment.overlaps(asked.from, to) {
                continue;
            }
            let mut rows = Rows::new(segment.id, asked);
            loop {
                if let Some(until) = fold.until() {
                    rows.until(until.saturating_add(1));
                }
                let page = {
                    let mut reader = self.readers.acquire().await.map_err(failed)?;
                    rows.next(&mut reader).await.map_err(failed)?
                };
                let Some(page) = page else { break };
                fold = self.fold_page(page, asked, sensor, fold).await?;
            }
        }
        Ok(fold)
    }

    async fn fold_page<F: Fold>(
        &self,
        page: Vec<Row>,
        asked: Asked,
        sensor: SensorNo,
        mut fold: F,
    ) -> Result<F, HistoryError> {
        let corrections = self.published.corrections();
        let work = move || {
            let mut damaged = Vec::new();
            for row in &page {
                let read = decode::decode(row, Some(sensor), |_, entry| {
                    let point = corrected(entry.point, &corrections);
                    if (asked.from..asked.to).contains(&point.ts.as_micros()) {
                        fold.take(point);
                    }
                });
                damaged.extend(read.err());
            }
            (fold, damaged)
        };
        let (fold, damaged) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| HistoryError { why: format!("decoding ended badly: {error}") })?;
        for row in &damaged {
            self.published.damaged(row);
        }
        Ok(fold)
    }
}

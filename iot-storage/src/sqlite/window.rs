//! The first points of a range, however many there are: at most so many are held at once.

use std::collections::BTreeMap;

use iot_core::domain::Point;
use iot_core::port::{RawPage, Resume};

use super::history::Fold;

/// Holds the earliest `limit` points and one more, which says where the next page begins. Points
/// come in the order of the log, so that of two at one instant the later replaces the earlier.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    points: BTreeMap<i64, Point>,
}

impl Window {
    /// A window of so many points.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, points: BTreeMap::new() }
    }

    /// What it holds at the end.
    pub(super) fn page(mut self) -> RawPage {
        let next = if self.points.len() > self.limit {
            self.points.pop_last().map(|(_, point)| Resume(point.ts))
        } else {
            None
        };
        RawPage { points: self.points.into_values().collect(), next }
    }
}

impl Fold for Window {
    fn take(&mut self, point: Point) {
        let at = point.ts.as_micros();
        if self.until().is_some_and(|last| at > last) {
            return;
        }
        self.points.insert(at, point);
        if self.points.len() > self.limit + 1 {
            self.points.pop_last();
        }
    }

    fn until(&self) -> Option<i64> {
        if self.points.len() > self.limit {
            self.points.last_key_value().map(|(at, _)| *at)
        } else {
            None
        }
    }
}

//! Readings to buckets, each instant counted once, in memory that does not grow with the readings.
//!
//! Readings come in the order of the log, and nearly always in the order of their time too: then each
//! is counted as it comes. One that is not later than all before it may be a repetition; its instant
//! is *contested*. Where there were such instants the readings are gone through a second time: what is
//! not contested is counted as before, and each contested instant once, with its last reading.
//!
//! One reading far ahead makes all after it contested, and so does a backfill, newest first. Past so
//! many of them the range is cut in two at their median, and each part is gone through by itself.

use std::collections::{BTreeMap, HashMap};

use iot_core::domain::{Point, Timestamp, Value};
use iot_core::port::{Bucket, BucketPage, Grid, PAGE, Resume};

use super::history::Fold;

/// The most contested instants that are held at once; a long text counts as several.
const CONTESTED: usize = 100_000;
/// So many bytes of text weigh as much as an instant.
const TEXT: usize = 64;

/// Buckets in the making.
#[derive(Debug)]
pub(super) struct Buckets {
    grid: Grid,
    limit: usize,
    buckets: BTreeMap<i64, (i64, Bucket)>,
    newest: i64,
    contested: HashMap<i64, Option<Value>>,
    weight: usize,
    most: usize,
    /// Where the range has to be cut; nothing here counts then.
    split: Option<i64>,
    second: bool,
    /// Where the first time through was cut: what was passed over there may hold repetitions too.
    cut: Option<i64>,
}

impl Buckets {
    /// The first time through.
    pub(super) fn new(grid: Grid) -> Self {
        Self::with(grid, PAGE, CONTESTED)
    }

    fn with(grid: Grid, limit: usize, most: usize) -> Self {
        Self {
            grid,
            limit,
            buckets: BTreeMap::new(),
            newest: i64::MIN,
            contested: HashMap::new(),
            weight: 0,
            most,
            split: None,
            second: false,
            cut: None,
        }
    }

    /// Where the range has to be cut, after the first time through: there was too much to hold.
    pub(super) fn split(&self) -> Option<i64> {
        self.split
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
            ..Self::with(self.grid.clone(), self.limit, self.most)
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

    fn contest(&mut self, at: i64, value: Option<Value>) {
        self.weight += weight(value.as_ref());
        if let Some(before) = self.contested.insert(at, value) {
            self.weight -= weight(before.as_ref());
        }
        if self.weight > self.most && self.contested.len() > 1 {
            let mut instants: Vec<i64> = std::mem::take(&mut self.contested).into_keys().collect();
            let middle = instants.len() / 2;
            // Of two or more instants the median is later than the first: both parts are smaller.
            self.split = Some(*instants.select_nth_unstable(middle).1);
            self.buckets.clear();
        }
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

fn weight(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Text(text)) => 1 + text.len() / TEXT,
        _ => 1,
    }
}

/// A range that is gone through in parts, the earliest first, where it cannot be at once.
#[derive(Debug)]
pub(super) struct Parts {
    /// What is left, the earliest last.
    left: Vec<(i64, i64)>,
    page: BucketPage,
    limit: usize,
}

impl Parts {
    /// The range `[from, to)` in one part.
    pub(super) fn new(from: i64, to: i64) -> Self {
        Self::with(from, to, PAGE)
    }

    fn with(from: i64, to: i64, limit: usize) -> Self {
        let page = BucketPage { buckets: Vec::new(), next: None };
        Self { left: vec![(from, to)], page, limit }
    }

    /// The next part; none where the page is ready.
    pub(super) fn next(&mut self) -> Option<(i64, i64)> {
        self.left.pop()
    }

    /// That part was too much; it comes again as two.
    pub(super) fn split(&mut self, (from, to): (i64, i64), at: i64) {
        self.left.extend([(at, to), (from, at)]);
    }

    /// That part's buckets. Its first may be the rest of the part before.
    pub(super) fn add(&mut self, part: BucketPage) {
        let mut buckets = part.buckets.into_iter().peekable();
        if let Some(last) = self.page.buckets.last_mut()
            && let Some(rest) = buckets.next_if(|first| first.start == last.start)
        {
            last.count += rest.count;
            last.sum += rest.sum;
            last.min = last.min.min(rest.min);
            last.max = last.max.max(rest.max);
            last.last = rest.last;
        }
        self.page.buckets.extend(buckets);
        self.page.next = part.next;
        if let Some(over) = self.page.buckets.get(self.limit) {
            self.page.next = Some(Resume(over.start));
            self.page.buckets.truncate(self.limit);
        }
        if self.page.next.is_some() {
            self.left.clear();
        }
    }

    /// The page, when no part is left.
    pub(super) fn page(self) -> BucketPage {
        self.page
    }
}

impl Fold for Buckets {
    fn take(&mut self, point: Point) {
        if self.split.is_some() {
            return;
        }
        let at = point.ts.as_micros();
        if self.second {
            if !self.contested.contains_key(&at) {
                self.count(at, point.value);
            }
        } else if at > self.newest {
            self.newest = at;
            self.count(at, point.value);
        } else {
            self.contest(at, point.value);
        }
    }

    fn until(&self) -> Option<i64> {
        if self.split.is_some() {
            // Nothing matters any more.
            return Some(i64::MIN);
        }
        // A bucket that is dropped begins later than the last one held.
        if self.buckets.len() > self.limit {
            self.buckets.last_key_value().map(|(start, _)| *start)
        } else {
            self.cut
        }
    }
}

#[cfg(test)]
mod tests {
    use iot_core::domain::{Quality, TimeQuality};
    use proptest::prelude::*;

    use super::*;

    fn through(mut fold: Buckets, log: &[(i64, Option<i32>)], (from, to): (i64, i64)) -> Buckets {
        for (at, value) in log.iter().filter(|(at, _)| (from..to).contains(at)) {
            fold.take(Point {
                ts: Timestamp::from_micros(*at),
                value: value.map(|value| Value::Number(f64::from(value))),
                quality: Quality::Good,
                time: TimeQuality::Synced,
            });
        }
        fold
    }

    /// All buckets, page by page as the history makes them; `most` bounds what a part may hold.
    fn all(
        log: &[(i64, Option<i32>)],
        grid: &Grid,
        range: (i64, i64),
        limit: usize,
        most: usize,
    ) -> Vec<Bucket> {
        let (mut all, mut from) = (Vec::new(), range.0);
        loop {
            let mut parts = Parts::with(from, range.1, limit);
            while let Some(part) = parts.next() {
                let mut fold = through(Buckets::with(grid.clone(), limit, most), log, part);
                assert!(fold.contested.len() <= most.max(1));
                if let Some(at) = fold.split() {
                    assert!(part.0 < at && at < part.1, "{part:?} at {at}");
                    parts.split(part, at);
                    continue;
                }
                if let Some(again) = fold.again() {
                    fold = through(again, log, part);
                }
                parts.add(fold.page());
            }
            let page = parts.page();
            let next = page.next;
            all.extend(page.buckets);
            match next {
                Some(next) => from = next.0.as_micros().max(from),
                None => return all,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn parts_add_up_to_the_whole(
            ahead in prop::option::of(290_i64..300),
            log in prop::collection::vec((0_i64..300, prop::option::of(-50_i32..50)), 0..200),
            newest_first in any::<bool>(),
            width in 1_i64..120,
            (from, to) in (-10_i64..310, -10_i64..310),
            (limit, most) in (1_usize..20, 1_usize..20),
        ) {
            let mut log = log;
            if newest_first {
                log.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            }
            if let Some(ahead) = ahead {
                log.insert(0, (ahead, Some(7)));
            }
            let grid = Grid::Width(width);
            let whole = all(&log, &grid, (from, to), limit, usize::MAX);
            prop_assert_eq!(all(&log, &grid, (from, to), limit, most), whole);
        }
    }
}

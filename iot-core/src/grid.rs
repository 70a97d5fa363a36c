//! How time is cut into buckets: a ladder of widths, and calendar edges in a zone.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit, ZonedDateTime};

use crate::domain::{TimeRange, Timestamp};
use crate::port::Grid;

const S: i64 = 1_000_000;
const MIN: i64 = 60 * S;
const H: i64 = 60 * MIN;
const D: i64 = 24 * H;

/// The widths that buckets may have, in microseconds.
pub const WIDTHS: [i64; 22] = [
    S,
    2 * S,
    5 * S,
    10 * S,
    15 * S,
    30 * S,
    MIN,
    2 * MIN,
    5 * MIN,
    10 * MIN,
    15 * MIN,
    30 * MIN,
    H,
    2 * H,
    3 * H,
    6 * H,
    12 * H,
    D,
    2 * D,
    5 * D,
    10 * D,
    30 * D,
];

/// The most buckets that a calendar grid may have.
pub const MOST_EDGES: usize = 10_000;

/// The smallest width that cuts a range into at most `points` buckets, in microseconds. A range
/// too long for the widest of the ladder gets multiples of it.
#[must_use]
pub fn width_for(range: TimeRange, points: usize) -> i64 {
    let points = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
    let (from, to) = (range.from.as_micros(), range.to.as_micros());
    let buckets = |width: i64| (to - 1).div_euclid(width) - from.div_euclid(width) + 1;
    if let Some(width) = WIDTHS.into_iter().find(|width| buckets(*width) <= points) {
        return width;
    }
    // Past the ladder: multiples of its widest, the largest of which reaches past both ends. A range
    // across 1970 never fits one bucket, and gets two.
    let widest = WIDTHS[WIDTHS.len() - 1];
    if points == 1 && from < 0 && to > 0 {
        return i64::MAX;
    }
    let least = (to.saturating_sub(from) / widest / points).max(2);
    let most = from.saturating_abs().max(to.saturating_abs()) / widest + 2;
    let mut multiples = (least..=most.max(least)).filter_map(|n| widest.checked_mul(n));
    multiples.find(|width| buckets(*width) <= points).unwrap_or(i64::MAX)
}

/// The calendar's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// A quarter of an hour.
    QuarterHour,
    /// An hour.
    Hour,
    /// A day of the zone: 23, 24 or 25 hours.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
}

/// A calendar grid cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// The step is not one of the known ones.
    #[error("every={0:?} is not one of 15m, 1h, 1d, 1w, 1mo")]
    Every(String),
    /// The zone is not in the database.
    #[error("tz={0:?} is not a zone of the time zone database, as Europe/Berlin")]
    Zone(String),
    /// The range holds too many steps.
    #[error(
        "the range holds more than {MOST_EDGES} steps; ask for a shorter range or a longer step"
    )]
    TooMany,
    /// The range leaves the years that the calendar knows.
    #[error("the range leaves the years 1 to 9999")]
    Range,
}

impl Every {
    /// Reads a step: `15m`, `1h`, `1d`, `1w`, `1mo`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, GridError> {
        Ok(match text {
            "15m" => Self::QuarterHour,
            "1h" => Self::Hour,
            "1d" => Self::Day,
            "1w" => Self::Week,
            "1mo" => Self::Month,
            _ => return Err(GridError::Every(text.chars().take(40).collect())),
        })
    }

    /// The start of the step that holds an instant.
    fn floor(self, at: &ZonedDateTime) -> Result<ZonedDateTime, jiff::Error> {
        match self {
            Self::QuarterHour => at.round(
                jiff::ZonedDateTimeRound::new()
                    .smallest(Unit::Minute)
                    .increment(15)
                    .mode(jiff::RoundMode::Trunc),
            ),
            Self::Hour => at.round(
                jiff::ZonedDateTimeRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc),
            ),
            Self::Day => at.start_of_day(),
            Self::Week => {
                let back = i64::from(at.weekday().to_monday_zero_offset());
                at.checked_sub(back.days())?.start_of_day()
            }
            Self::Month => at.first_of_month()?.start_of_day(),
        }
    }

    fn next(self, at: &ZonedDateTime) -> Result<ZonedDateTime, jiff::Error> {
        match self {
            Self::QuarterHour => at.checked_add(15.minutes()),
            Self::Hour => at.checked_add(1.hour()),
            Self::Day => at.checked_add(1.day())?.start_of_day(),
            Self::Week => at.checked_add(1.week())?.start_of_day(),
            Self::Month => at.checked_add(1.month())?.start_of_day(),
        }
    }
}

/// Cuts a range by a zone's calendar. The first edge lies at or before the range, the last at or
/// after its end.
///
/// # Errors
/// When the zone is unknown, or the range is too long for the step.
pub fn calendar(range: TimeRange, every: Every, zone: &str) -> Result<Grid, GridError> {
    let tz = TimeZone::get(zone).map_err(|_| GridError::Zone(zone.chars().take(60).collect()))?;
    let at = jiff::Timestamp::from_microsecond(range.from.as_micros())
        .map_err(|_| GridError::Range)?
        .to_zoned_datetime(tz);
    let mut edge = every.floor(&at).map_err(|_| GridError::Range)?;
    let mut edges = Vec::new();
    loop {
        let us = edge.timestamp().as_microsecond();
        edges.push(Timestamp::from_micros(us));
        if us >= range.to.as_micros() {
            return Ok(Grid::Edges(Arc::from(edges)));
        }
        if edges.len() > MOST_EDGES {
            return Err(GridError::TooMany);
        }
        edge = every.next(&edge).map_err(|_| GridError::Range)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> TimeRange {
        TimeRange { from: Timestamp::parse(from).unwrap(), to: Timestamp::parse(to).unwrap() }
    }

    #[test]
    fn the_smallest_width_that_fits_is_taken() {
        let day = range("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z");
        assert_eq!(width_for(day, 1000), 2 * MIN);
        assert_eq!(width_for(day, 24), H);
        assert_eq!(width_for(day, 1), D);
        let off = range("2025-06-01T00:00:01Z", "2025-06-02T00:00:01Z");
        assert_eq!(width_for(off, 1), 2 * D, "2025-06-01 and -02 lie in one two-day bucket");
        assert!(width_for(TimeRange::ALL, 1000) > 30 * D);
        let across = range("1960-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        assert_eq!(width_for(across, 1), i64::MAX, "no width makes it one bucket");
        let long = range("1971-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        let width = width_for(long, 7);
        let (first, last) = (long.from.as_micros() / width, (long.to.as_micros() - 1) / width);
        assert!(last - first < 7 && width % (30 * D) == 0, "{width}");
    }

    #[test]
    fn days_of_the_clock_change_have_23_and_25_hours() {
        let hours = |from, to| {
            let Grid::Edges(edges) =
                calendar(range(from, to), Every::Day, "Europe/Berlin").unwrap()
            else {
                panic!("edges")
            };
            edges.windows(2).map(|w| w[1].since(w[0]).as_secs() / 3600).collect::<Vec<_>>()
        };
        assert_eq!(hours("2025-03-29T12:00:00Z", "2025-03-31T12:00:00Z"), [24, 23, 24]);
        assert_eq!(hours("2025-10-25T12:00:00Z", "2025-10-27T12:00:00Z"), [24, 25, 24]);
    }

    #[test]
    fn too_many_steps_and_unknown_zones_are_said() {
        let long = range("2000-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        assert_eq!(calendar(long, Every::Hour, "UTC"), Err(GridError::TooMany));
        assert!(matches!(calendar(long, Every::Month, "Mars"), Err(GridError::Zone(_))));
    }
}

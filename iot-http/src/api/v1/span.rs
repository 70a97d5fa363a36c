//! The stretch of time that a request asks for, and how it is to be cut.

use std::time::Duration;

use iot_core::domain::{TimeRange, Timestamp};
use iot_core::grid::{Every, GridError, calendar};
use iot_core::port::{Grid, PAGE};

use crate::problem::Problem;
use crate::state::App;

const USUAL_SPAN: Duration = Duration::from_secs(24 * 3600);
const USUAL_POINTS: usize = 1_000;

/// Reads a time of the query.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // A plus sign of a zone that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    match Timestamp::parse(&text) {
        Ok(at) if (Timestamp::MIN..=Timestamp::MAX).contains(&at) => Ok(at),
        Err(error) if !is_time(&text) => Err(Problem::parameter(name, error.to_string())),
        _ => {
            let text: String = text.chars().take(80).collect();
            let detail = format!("{text:?} lies outside the years 1 to 9999");
            Err(Problem::parameter(name, detail))
        }
    }
}

/// Whether a text has the form of a time, be it within what can be written or not.
fn is_time(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        || jiff::fmt::temporal::Pieces::parse(text)
            .is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}

/// Whether a range runs forwards.
pub(super) fn forwards(range: TimeRange) -> Result<(), Problem> {
    if range.from <= range.to {
        return Ok(());
    }
    Err(Problem::parameter("from", "must not lie after `to`"))
}

/// The range asked for; without a word, the last 24 hours.
pub(super) fn range(app: &App, from: Option<&str>, to: Option<&str>) -> Result<TimeRange, Problem> {
    let to = match to {
        Some(text) => time("to", text)?,
        None => app.gateway.clock().wall,
    };
    let from = match from {
        Some(text) => time("from", text)?,
        None => to.minus(USUAL_SPAN),
    };
    let range = TimeRange { from, to };
    forwards(range)?;
    Ok(range)
}

/// How many points may be given.
pub(super) fn points(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(USUAL_POINTS) {
        points @ 1..=PAGE => Ok(points),
        _ => Err(Problem::parameter(
            "points",
            "must lie between 1 and 10000; `raw=1` and `format=csv` give every reading",
        )),
    }
}

/// A calendar grid, where one is asked for.
pub(super) fn every(
    app: &App,
    range: TimeRange,
    every: Option<&str>,
    zone: Option<&str>,
) -> Result<Option<Calendar>, Problem> {
    let Some(text) = every else {
        return match zone {
            Some(_) => Err(Problem::parameter("tz", "goes with `every` alone")),
            None => Ok(None),
        };
    };
    let wrong = |error: GridError| {
        let name = match error {
            GridError::Every(_) => "every",
            GridError::Zone(_) => "tz",
            _ => "from",
        };
        Problem::parameter(name, error.to_string())
    };
    let step = Every::parse(text).map_err(wrong)?;
    let zone = zone.map_or_else(|| app.gateway.info().time_zone, str::to_owned);
    let grid = calendar(range, step, &zone).map_err(wrong)?;
    Ok(Some(Calendar { grid, every: text.to_owned(), zone }))
}

/// A grid by the calendar of a zone.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    pub(super) grid: Grid,
    pub(super) every: String,
    pub(super) zone: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_told_from_what_is_no_time() {
        let said = |text: &str| time("to", text).map_err(|problem| problem.detail);
        for text in ["253402300799999", "-62135596800001", "99999999999999999999999"] {
            let detail = said(text).unwrap_err();
            assert_eq!(detail, format!("to: {text:?} lies outside the years 1 to 9999"));
        }
        let before = said("-000001-01-01T00:00:00Z").unwrap_err();
        assert!(before.contains("outside the years"), "{before}");
        for text in ["", "-", "yesterday", "2025-01-01", "1e3", "2025-13-01T00:00:00Z"] {
            let detail = said(text).unwrap_err();
            assert!(detail.contains("neither epoch milliseconds nor RFC 3339"), "{detail}");
        }
        assert_eq!(said("253402300799000"), Ok(Timestamp::MAX));
        assert_eq!(said("2025-01-01T01:00:00 01:00"), said("2025-01-01T00:00:00Z"));
    }
}

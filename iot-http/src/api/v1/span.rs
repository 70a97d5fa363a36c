//! The stretch of time that a request asks for, and how it is to be cut.

use std::time::Duration;

use iot_core::domain::{TimeRange, Timestamp};
use iot_core::grid::{Every, GridError, calendar};
use iot_core::port::{Grid, PAGE};

use crate::problem::{Kind, Problem};
use crate::state::App;

const USUAL_SPAN: Duration = Duration::from_secs(24 * 3600);
const USUAL_POINTS: usize = 1_000;

/// Reads a time of the query.
pub(super) fn time(pointer: &str, text: &str) -> Result<Timestamp, Problem> {
    // A plus sign of a zone that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    Timestamp::parse(&text).map_err(|e| Problem::field(Kind::BadRequest, pointer, e.to_string()))
}

/// Whether a range runs forwards.
pub(super) fn forwards(range: TimeRange) -> Result<(), Problem> {
    if range.from <= range.to {
        return Ok(());
    }
    Err(Problem::field(Kind::BadRequest, "/from", "must not lie after `to`"))
}

/// The range asked for; without a word, the last 24 hours.
pub(super) fn range(app: &App, from: Option<&str>, to: Option<&str>) -> Result<TimeRange, Problem> {
    let to = match to {
        Some(text) => time("/to", text)?,
        None => app.gateway.clock().wall,
    };
    let from = match from {
        Some(text) => time("/from", text)?,
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
        _ => Err(Problem::field(
            Kind::BadRequest,
            "/points",
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
            Some(_) => Err(Problem::field(Kind::BadRequest, "/tz", "goes with `every` alone")),
            None => Ok(None),
        };
    };
    let wrong = |error: GridError| {
        let pointer = match error {
            GridError::Every(_) => "/every",
            GridError::Zone(_) => "/tz",
            _ => "/from",
        };
        Problem::field(Kind::BadRequest, pointer, error.to_string())
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

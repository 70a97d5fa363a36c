//! Readings by time: of one sensor, or of several on one grid.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{Action, Sensor, SensorId, Target, Timestamp, ValueType};
use iot_core::grid::width_for;
use iot_core::port::{Bucket, Grid, Resume};
use serde::{Deserialize, Serialize};

use super::series::{self, BucketColumns, RawColumns};
use super::span::{self, Calendar};
use super::{export, sensors};
use crate::extract::{Caller, Flag, Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

/// The most readings in one answer; what is more goes by `next` or as a stream.
const MOST_RAW: usize = 100_000;
/// The most sensors on one grid.
const MOST_SENSORS: usize = 50;

/// What of one sensor.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct One {
    from: Option<String>,
    to: Option<String>,
    points: Option<usize>,
    #[serde(default)]
    raw: Flag,
    every: Option<String>,
    tz: Option<String>,
    format: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// How buckets are cut, as it is told beside them.
#[derive(Debug, Serialize)]
struct Cut {
    #[serde(skip_serializing_if = "Option::is_none")]
    width_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tz: Option<String>,
}

impl Cut {
    fn of(grid: &Grid, calendar: Option<Calendar>) -> Self {
        let width_ms = match grid {
            Grid::Width(us) => Some(us / 1000),
            Grid::Edges(_) => None,
        };
        let (every, tz) = calendar.map(|c| (c.every, c.zone)).unzip();
        Self { width_ms, every, tz }
    }
}

#[derive(Debug, Serialize)]
struct OneAnswer<'a, C> {
    sensor_id: &'a SensorId,
    unit: Option<&'a str>,
    kind: &'static str,
    #[serde(flatten)]
    columns: C,
}

#[derive(Debug, Serialize)]
struct Bucketed {
    #[serde(flatten)]
    cut: Cut,
    t: Vec<Timestamp>,
    #[serde(flatten)]
    columns: BucketColumns,
}

#[derive(Debug, Serialize)]
struct Raw {
    #[serde(flatten)]
    columns: RawColumns,
    next: Option<String>,
}

fn answer<C: Serialize>(sensor: &Sensor, kind: &'static str, columns: C) -> Response {
    let answer = OneAnswer { sensor_id: &sensor.id, unit: sensor.unit.as_deref(), kind, columns };
    Json(answer).into_response()
}

/// `GET sensors/{id}/data`.
pub(crate) async fn one(
    State(app): State<App>,
    Id(id): Id<SensorId>,
    Query(query): Query<One>,
) -> Result<Response, Problem> {
    let range = span::range(&app, query.from.as_deref(), query.to.as_deref())?;
    let points = span::points(query.points)?;
    let format = query.format.as_deref().map(export::Format::parse).transpose()?;
    let calendar = span::every(&app, range, query.every.as_deref(), query.tz.as_deref())?;
    let raw_limit = raw_limit(&query)?;
    let resume = paging::number(query.cursor.as_deref())?;
    let resume = resume.map(|us| Resume(Timestamp::from_micros(us)));
    let view = sensors::found(&app, &id)?;
    let sensor = view.sensor.clone();
    if let Some(format) = format {
        return export::stream(app, sensor, range, format).await;
    }
    if query.raw.0 {
        let (points, rest) = series::raw(&app, &sensor, range, resume, raw_limit).await?;
        let next = rest.map(|Resume(at)| paging::after(&at.as_micros().to_string()));
        return Ok(answer(&sensor, "raw", Raw { columns: points.into(), next }));
    }
    let grid = match &calendar {
        Some(calendar) => calendar.grid.clone(),
        None => {
            if let Some(points) = series::few(&app, &sensor, range, points).await? {
                return Ok(answer(&sensor, "raw", Raw { columns: points.into(), next: None }));
            }
            Grid::Width(width_for(range, points))
        }
    };
    let cut = Cut::of(&grid, calendar);
    let buckets = series::buckets(&app, &sensor, range, grid).await?;
    let t: Vec<Timestamp> = buckets.iter().map(|bucket| bucket.start).collect();
    let columns = BucketColumns::over(&t, buckets, sensor.value_type);
    Ok(answer(&sensor, "buckets", Bucketed { cut, t, columns }))
}

fn raw_limit(query: &One) -> Result<usize, Problem> {
    if !query.raw.0 && (query.limit.is_some() || query.cursor.is_some()) {
        let name = if query.limit.is_some() { "limit" } else { "cursor" };
        return Err(Problem::parameter(name, "goes with `raw=1` alone"));
    }
    match query.limit.unwrap_or(MOST_RAW) {
        limit @ 1..=MOST_RAW => Ok(limit),
        _ => Err(Problem::parameter("limit", "must lie between 1 and 100000")),
    }
}

/// What of several sensors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    sensors: String,
    from: Option<String>,
    to: Option<String>,
    points: Option<usize>,
    every: Option<String>,
    tz: Option<String>,
}

#[derive(Debug, Serialize)]
struct ManyAnswer<'a> {
    kind: &'static str,
    #[serde(flatten)]
    cut: Cut,
    t: Vec<Timestamp>,
    series: BTreeMap<String, Series<'a>>,
}

#[derive(Debug, Serialize)]
struct Series<'a> {
    unit: Option<&'a str>,
    #[serde(flatten)]
    columns: BucketColumns,
}

/// One of the names in `sensors`.
fn named(text: &str) -> Result<SensorId, Problem> {
    match text.trim() {
        "" => Err(Problem::parameter("sensors", "a name is empty; put commas between names alone")),
        name => SensorId::parse(name).map_err(|e| Problem::parameter("sensors", e.to_string())),
    }
}

/// `GET data`: several sensors on one grid.
pub(crate) async fn many(
    State(app): State<App>,
    Caller(who): Caller,
    Query(query): Query<Many>,
) -> Result<Response, Problem> {
    let range = span::range(&app, query.from.as_deref(), query.to.as_deref())?;
    let points = span::points(query.points)?;
    let calendar = span::every(&app, range, query.every.as_deref(), query.tz.as_deref())?;
    let ids: BTreeSet<SensorId> = query.sensors.split(',').map(named).collect::<Result<_, _>>()?;
    if ids.len() > MOST_SENSORS {
        let detail = "must name at most 50 sensors";
        return Err(Problem::parameter("sensors", detail));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in &ids {
        app.allow(&who, Action::Read, Target::Device(&id.device)).await?;
        found.push(sensors::found(&app, id)?);
    }
    let grid = match &calendar {
        Some(calendar) => calendar.grid.clone(),
        None => Grid::Width(width_for(range, points)),
    };
    let cut = Cut::of(&grid, calendar);
    let mut read: Vec<Vec<Bucket>> = Vec::with_capacity(found.len());
    for view in &found {
        read.push(series::buckets(&app, &view.sensor, range, grid.clone()).await?);
    }
    let starts: BTreeSet<Timestamp> = read.iter().flatten().map(|bucket| bucket.start).collect();
    let t: Vec<Timestamp> = starts.into_iter().collect();
    let series = found
        .iter()
        .zip(read)
        .map(|(view, buckets)| {
            let of: ValueType = view.sensor.value_type;
            let columns = BucketColumns::over(&t, buckets, of);
            (view.sensor.id.to_string(), Series { unit: view.sensor.unit.as_deref(), columns })
        })
        .collect();
    Ok(Json(ManyAnswer { kind: "buckets", cut, t, series }).into_response())
}

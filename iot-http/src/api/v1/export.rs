//! Every reading of a range as a file: streamed page by page, so the range never lies in memory, and
//! ended when the client leaves.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, StreamExt as _};
use iot_core::domain::{Point, Sensor, TimeRange, Value};
use iot_core::format::device::PointShape;
use iot_core::port::{HistoryError, PAGE, RawPage};
use serde::Serialize;

use crate::problem::Problem;
use crate::state::App;

/// The forms a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let detail = match text {
            "csv" => return Ok(Self::Csv),
            "jsonl" => return Ok(Self::JsonLines),
            "parquet" => "this build has no parquet; take csv or jsonl",
            _ => "must be csv or jsonl",
        };
        Err(Problem::parameter("format", detail))
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    fn head(self) -> Bytes {
        match self {
            Self::Csv => Bytes::from_static(b"time,sensor_id,value,unit,quality,reason\n"),
            Self::JsonLines => Bytes::new(),
        }
    }

    fn write(self, sensor: &Sensor, points: &[Point]) -> Result<Bytes, HistoryError> {
        let written = match self {
            Self::Csv => csv_rows(sensor, points),
            Self::JsonLines => json_lines(sensor, points),
        };
        written.map(Bytes::from).map_err(|why| HistoryError { why })
    }
}

/// Streams all readings of a range. The first page is read before the answer begins, so that a
/// store that cannot be read is a problem and not a broken file.
///
/// CSV is UTF-8 without a byte order mark: programs read it. The page puts one before the files that
/// it writes for spreadsheets.
pub(super) async fn stream(
    app: App,
    sensor: Arc<Sensor>,
    range: TimeRange,
    format: Format,
) -> Result<Response, Problem> {
    let first = app.gateway.history().raw(sensor.no, range, None, PAGE).await?;
    let name = format!("attachment; filename=\"{}.{}\"", sensor.id, format.ending());
    let pages = stream::try_unfold(Some(first), move |page: Option<RawPage>| {
        let (app, sensor) = (app.clone(), sensor.clone());
        async move {
            let Some(RawPage { points, next }) = page else { return Ok(None) };
            let rows = format.write(&sensor, &points)?;
            let following = match next {
                Some(next) => {
                    Some(app.gateway.history().raw(sensor.no, range, Some(next), PAGE).await?)
                }
                None => None,
            };
            Ok::<_, HistoryError>(Some((rows, following)))
        }
    });
    let pages = pages.inspect(|page| {
        if let Err(error) = page {
            tracing::warn!(%error, "an export broke off");
        }
    });
    let body = Body::from_stream(stream::iter([Ok(format.head())]).chain(pages));
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}

/// A text that a spreadsheet would take for a formula gets an apostrophe before it.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Number(n)) => n.to_string(),
        Some(Value::Bool(b)) => b.to_string(),
        Some(Value::Text(text)) => guarded(text),
    }
}

fn csv_rows(sensor: &Sensor, points: &[Point]) -> Result<Vec<u8>, String> {
    let mut rows = csv::Writer::from_writer(Vec::with_capacity(points.len() * 64));
    let id = sensor.id.to_string();
    let unit = guarded(sensor.unit.as_deref().unwrap_or(""));
    for point in points {
        let row = [
            &point.ts.to_string(),
            &id,
            &cell(point.value.as_ref()),
            &unit,
            point.quality.word(),
            &guarded(point.quality.reason().unwrap_or("")),
        ];
        rows.write_record(row).map_err(|e| e.to_string())?;
    }
    rows.into_inner().map_err(|e| e.to_string())
}

#[derive(Serialize)]
struct Line<'a> {
    sensor_id: &'a str,
    #[serde(flatten)]
    point: PointShape<'a>,
}

fn json_lines(sensor: &Sensor, points: &[Point]) -> Result<Vec<u8>, String> {
    let id = sensor.id.to_string();
    let mut lines = Vec::with_capacity(points.len() * 80);
    for point in points {
        let line = Line { sensor_id: &id, point: point.into() };
        serde_json::to_writer(&mut lines, &line).map_err(|e| e.to_string())?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_and_numbers_are_not() {
        for text in ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(cell(Some(&Value::from(text))), format!("'{text}"));
        }
        assert_eq!(cell(Some(&Value::from(-1.5))), "-1.5");
        assert_eq!(cell(Some(&Value::from("a = b"))), "a = b");
        assert_eq!(cell(Some(&Value::from(0.1 + 0.2))), "0.30000000000000004");
    }
}

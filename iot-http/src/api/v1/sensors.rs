//! Sensors: list, look at, edit, the latest reading, removing readings.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{DeviceId, SensorId, TimeRange};
use iot_core::format::device::{PointShape, SensorShape};
use iot_core::gateway::SensorEdit;
use iot_core::pipeline::SensorView;
use serde::Deserialize;

use super::span;
use crate::etag;
use crate::extract::{Body, Caller, Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::shape::sensor_tag;
use crate::state::App;

/// Which sensors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    limit: Option<usize>,
    cursor: Option<String>,
    device: Option<DeviceId>,
}

/// `GET sensors`.
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let limit = paging::limit(which.limit)?;
    let devices = match &which.device {
        Some(id) => app.gateway.device(id).into_iter().collect(),
        None => app.gateway.devices(),
    };
    let seen = devices.iter().filter(|view| app.sees(&who, &view.device.id));
    let sensors = seen.flat_map(|view| &view.sensors);
    let mut named: Vec<(String, &Arc<SensorView>)> =
        sensors.map(|view| (view.sensor.id.to_string(), view)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let page =
        paging::cut(named.into_iter(), which.cursor.as_deref(), limit, |(id, _)| id.clone())?;
    let items = page.items.into_iter().map(|(_, view)| SensorShape::from(&**view)).collect();
    Ok(Json(paging::Page { items, next: page.next }).into_response())
}

/// The sensor of this id, or 404.
pub(super) fn found(app: &App, id: &SensorId) -> Result<Arc<SensorView>, Problem> {
    app.gateway.sensor(id).ok_or_else(|| Problem::not_found("sensor", id))
}

/// `GET sensors/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    Id(id): Id<SensorId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = found(&app, &id)?;
    Ok(etag::answer(&headers, &sensor_tag(&view), &SensorShape::from(&*view)))
}

/// `PATCH sensors/{id}`.
pub(crate) async fn edit(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<SensorId>,
    headers: HeaderMap,
    Body(edit): Body<SensorEdit>,
) -> Result<Response, Problem> {
    let _edit = app.edits.lock().await;
    etag::check(&headers, &sensor_tag(&found(&app, &id)?))?;
    let view = app.gateway.edit_sensor(&who, &id, edit).await?;
    let mut answer = Json(SensorShape::from(&*view)).into_response();
    etag::put(&mut answer, &sensor_tag(&view));
    Ok(answer)
}

/// Before when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    before: Option<String>,
}

/// `GET sensors/{id}/latest`: the newest reading, or the newest before an instant; `null` for none.
pub(crate) async fn latest(
    State(app): State<App>,
    Id(id): Id<SensorId>,
    Query(query): Query<Before>,
) -> Result<Response, Problem> {
    let view = found(&app, &id)?;
    let point = match &query.before {
        None => view.latest.clone(),
        Some(text) => {
            let before = span::time("before", text)?;
            app.gateway.history().latest_before(view.sensor.no, before).await?
        }
    };
    Ok(Json(point.as_ref().map(PointShape::from)).into_response())
}

/// From when to when; both must be said, for what is removed does not come back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    from: Option<String>,
    to: Option<String>,
}

/// `DELETE sensors/{id}/data`; `If-Match` is about the sensor.
pub(crate) async fn remove_readings(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<SensorId>,
    Query(removal): Query<Removal>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let end = |pointer: &str, text: &Option<String>| match text {
        Some(text) => span::time(pointer, text),
        None => {
            Err(Problem::parameter(pointer, "must be given: removed readings do not come back"))
        }
    };
    let range = TimeRange { from: end("from", &removal.from)?, to: end("to", &removal.to)? };
    span::forwards(range)?;
    let _edit = app.edits.lock().await;
    etag::check(&headers, &sensor_tag(&found(&app, &id)?))?;
    app.gateway.remove_readings(&who, &id, range).await?;
    Ok(StatusCode::NO_CONTENT)
}

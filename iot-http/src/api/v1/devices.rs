//! Devices: list, look at, make, edit, move, delete.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{DeviceId, Home};
use iot_core::format::device::DeviceShape;
use iot_core::gateway::{DeviceEdit, NewDevice};
use iot_core::pipeline::DeviceView;
use serde::Deserialize;

use crate::etag;
use crate::extract::{Body, Caller, Flag, Id, Query};
use crate::paging;
use crate::problem::{Kind, Problem};
use crate::shape::device_tag;
use crate::state::App;

/// How much of each device a list gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum View {
    #[default]
    Whole,
    Summary,
}

/// Which devices.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<String>,
    kind: Option<String>,
    area: Option<String>,
    label: Option<String>,
    q: Option<String>,
    #[serde(default)]
    view: View,
}

impl Which {
    fn check(&self) -> Result<(), Problem> {
        const STATES: [&str; 4] = ["online", "offline", "stale", "fault"];
        match &self.state {
            Some(state) if !STATES.contains(&state.as_str()) => {
                Err(Problem::parameter("state", "must be one of online, offline, stale, fault"))
            }
            _ => Ok(()),
        }
    }

    fn fits(&self, view: &DeviceView) -> bool {
        let device = &view.device;
        let same = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|w| w == has);
        same(&self.state, view.state.word())
            && same(&self.kind, &device.kind)
            && self.area.as_ref().is_none_or(|area| device.area.as_ref() == Some(area))
            && self.label.as_ref().is_none_or(|label| device.labels.contains(label))
            && self.q.as_ref().is_none_or(|q| {
                let q = q.to_lowercase();
                let texts =
                    [Some(device.id.as_str()), device.name.as_deref(), device.area.as_deref()];
                let texts = texts.into_iter().flatten();
                let mut texts = texts.chain(device.labels.iter().map(String::as_str));
                texts.any(|text| text.to_lowercase().contains(&q))
            })
    }
}

/// `GET devices`.
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    which.check()?;
    let limit = paging::limit(which.limit)?;
    let all = app.gateway.devices();
    let seen = all.iter().filter(|view| app.sees(&who, &view.device.id) && which.fits(view));
    let page =
        paging::cut(seen, which.cursor.as_deref(), limit, |view| view.device.id.to_string())?;
    let shape = match which.view {
        View::Whole => DeviceShape::whole,
        View::Summary => DeviceShape::summary,
    };
    let items = page.items.into_iter().map(|view| shape(view)).collect();
    Ok(Json(paging::Page { items, next: page.next }).into_response())
}

fn found(app: &App, id: &DeviceId) -> Result<std::sync::Arc<DeviceView>, Problem> {
    app.gateway.device(id).ok_or_else(|| Problem::not_found("device", id))
}

/// `GET devices/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    Id(id): Id<DeviceId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = found(&app, &id)?;
    Ok(etag::answer(&headers, &device_tag(&view), &DeviceShape::whole(&view)))
}

/// A device as an answer to a change of it.
fn changed(status: StatusCode, view: &DeviceView) -> Response {
    let mut answer = (status, Json(DeviceShape::whole(view))).into_response();
    etag::put(&mut answer, &device_tag(view));
    answer
}

/// `POST devices`: one made by hand.
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(new): Body<NewDevice>,
) -> Result<Response, Problem> {
    let _edit = app.edits.lock().await;
    let view = app.gateway.create_device(&who, new).await?;
    let mut answer = changed(StatusCode::CREATED, &view);
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/devices/{}", view.device.id)) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

/// `PATCH devices/{id}`.
pub(crate) async fn edit(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<DeviceId>,
    headers: HeaderMap,
    Body(edit): Body<DeviceEdit>,
) -> Result<Response, Problem> {
    let _edit = app.edits.lock().await;
    etag::check(&headers, &device_tag(&*found(&app, &id)?))?;
    let view = app.gateway.edit_device(&who, &id, edit).await?;
    Ok(changed(StatusCode::OK, &view))
}

/// Whether the readings go too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    #[serde(default)]
    history: Flag,
}

/// `DELETE devices/{id}`.
pub(crate) async fn remove(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<DeviceId>,
    Query(removal): Query<Removal>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let _edit = app.edits.lock().await;
    etag::check(&headers, &device_tag(&*found(&app, &id)?))?;
    app.gateway.remove_device(&who, &id, removal.history.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    home: String,
}

/// `POST devices/{id}/move`: another home.
pub(crate) async fn relocate(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<DeviceId>,
    headers: HeaderMap,
    Body(wanted): Body<Move>,
) -> Result<Response, Problem> {
    let home = Home::parse(&wanted.home)
        .map_err(|e| Problem::field(Kind::Invalid, "/home", e.to_string()))?;
    let _edit = app.edits.lock().await;
    etag::check(&headers, &device_tag(&*found(&app, &id)?))?;
    let view = app.gateway.move_device(&who, &id, home).await?;
    Ok(changed(StatusCode::OK, &view))
}

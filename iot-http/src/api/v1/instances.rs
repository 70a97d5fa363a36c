//! Instances: running plugins, each with its configuration and how it fares.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use iot_core::domain::{Home, InstanceName, InstanceStatus};
use iot_core::gateway::KindView;
use iot_core::pipeline::DeviceView;
use serde_json::{Value as Json_, json};
use std::sync::Arc;

use super::plugins::Which;
use super::secrets;
use crate::etag;
use crate::extract::{Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

fn shape(status: &InstanceStatus, kinds: &[KindView], devices: &[Arc<DeviceView>]) -> Json_ {
    let record = &status.record;
    let kind = kinds.iter().find(|view| view.info.kind == record.kind);
    let home = Home::Instance(record.name.clone());
    json!({
        "name": record.name,
        "kind": record.kind,
        "config": secrets::hidden(kind.map(|view| &view.info.config_schema), &record.config),
        "origin": record.origin,
        "state": status.state,
        "reason": status.reason,
        "devices": devices.iter().filter(|view| view.device.home == home).count(),
        "readings": status.readings,
        "skipped": status.skipped,
        "restarts": status.restarts,
    })
}

/// `GET instances`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<Json_>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let (all, kinds, devices) =
        (app.gateway.instances(), app.gateway.kinds(), app.gateway.devices());
    let key = |status: &&InstanceStatus| status.record.name.to_string();
    let page = paging::cut(all.iter(), which.cursor.as_deref(), limit, key)?;
    let items = page.items.into_iter().map(|status| shape(status, &kinds, &devices)).collect();
    Ok(Json(paging::Page { items, next: page.next }))
}

/// `GET instances/{name}`. The tag covers what is configured, not how it fares.
pub(crate) async fn show(
    State(app): State<App>,
    Id(name): Id<InstanceName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let all = app.gateway.instances();
    let status = all.iter().find(|status| status.record.name == name);
    let status = status.ok_or_else(|| Problem::not_found("instance", &name))?;
    let record = &status.record;
    let tag = etag::of(&(&record.kind, &record.config, record.origin, record.enabled));
    Ok(etag::answer(&headers, &tag, &shape(status, &app.gateway.kinds(), &app.gateway.devices())))
}

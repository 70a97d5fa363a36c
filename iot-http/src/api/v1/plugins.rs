//! Plugin kinds: what there is, how it is configured, whether it could be loaded.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use iot_core::domain::KindName;
use iot_core::gateway::KindView;
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use crate::etag;
use crate::extract::{Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

/// Which part of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
}

fn shape(view: &KindView) -> Json_ {
    json!({
        "kind": view.info.kind,
        "version": view.info.version,
        "door": view.info.door,
        "state": view.state,
        "last_error": view.last_error,
        "config_schema": view.info.config_schema,
    })
}

/// `GET plugins`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<Json_>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let kinds = app.gateway.kinds();
    let key = |view: &&KindView| view.info.kind.to_string();
    let page = paging::cut(kinds.iter(), which.cursor.as_deref(), limit, key)?;
    Ok(Json(paging::Page { items: page.items.into_iter().map(shape).collect(), next: page.next }))
}

/// `GET plugins/{kind}`.
pub(crate) async fn show(
    State(app): State<App>,
    Id(kind): Id<KindName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kinds = app.gateway.kinds();
    let view = kinds.iter().find(|view| view.info.kind == kind);
    let shown = shape(view.ok_or_else(|| Problem::not_found("plugin kind", &kind))?);
    Ok(etag::answer(&headers, &etag::of(&shown), &shown))
}

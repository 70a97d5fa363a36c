//! Links to other brokers: how each is configured, and how far it is.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use iot_core::domain::LinkName;
use iot_core::port::LinkView;

use super::plugins::Which;
use crate::etag;
use crate::extract::{Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

/// The tag covers what is configured, not how it fares.
fn tag(link: &LinkView) -> String {
    let LinkView { name, url, username, devices, prefix, qos, format, ingest, commands, .. } = link;
    etag::of(&(name, url, username, devices, prefix, qos, format, ingest, commands, link.origin))
}

/// `GET mqtt/links`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<LinkView>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let all = app.gateway.links().into_iter();
    paging::cut(all, which.cursor.as_deref(), limit, |link| link.name.clone()).map(Json)
}

/// `GET mqtt/links/{name}`.
pub(crate) async fn show(
    State(app): State<App>,
    Id(name): Id<LinkName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let all = app.gateway.links();
    let link = all.iter().find(|link| link.name == name.as_str());
    let link = link.ok_or_else(|| Problem::not_found("link", &name))?;
    Ok(etag::answer(&headers, &tag(link), link))
}

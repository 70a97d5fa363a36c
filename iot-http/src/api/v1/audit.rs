//! The audit: who did what to what, newest first.

use axum::Json;
use axum::extract::State;
use iot_core::domain::AuditEntry;

use super::plugins::Which;
use crate::extract::Query;
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

/// `GET audit`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<AuditEntry>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let after = paging::number(which.cursor.as_deref())?;
    let page = app.gateway.registry().audit(after, limit).await?;
    let next = page.next.map(|key| paging::after(&key.to_string()));
    Ok(Json(paging::Page { items: page.items, next }))
}

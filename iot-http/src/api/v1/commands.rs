//! Commands: sent to a device, and what became of them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{Action, CommandId, CommandRecord, CommandRequest, DeviceId, Scope, Target};
use serde::Deserialize;
use serde_json::Value as Json_;

use crate::etag;
use crate::extract::{Body, Caller, Flag, Id, Query};
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

/// A command as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommand {
    name: String,
    #[serde(default)]
    params: Json_,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    id: Option<CommandId>,
}

/// Whether to answer when it is over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    #[serde(default)]
    wait: Flag,
}

/// `POST devices/{id}/commands`: 202 once it is written down, or with `wait=1` when it is over.
pub(crate) async fn send(
    State(app): State<App>,
    Caller(who): Caller,
    Id(device): Id<DeviceId>,
    Query(Wait { wait }): Query<Wait>,
    Body(new): Body<NewCommand>,
) -> Result<Response, Problem> {
    let request = CommandRequest {
        id: new.id,
        device,
        name: new.name,
        params: new.params,
        timeout: new.timeout_ms.map(Duration::from_millis),
    };
    let mut record = app.gateway.command(&who, request).await?;
    let mut status = StatusCode::ACCEPTED;
    if wait.0 {
        // The deadline bounds the wait; a layer that ends does not wait for it.
        let over = tokio::select! {
            over = app.gateway.command_over(&record.id) => over,
            () = app.closing.cancelled() => None,
        };
        if let Some(over) = over {
            record = over;
            status = StatusCode::OK;
        }
    }
    let place = HeaderValue::from_str(&format!("/api/v1/commands/{}", record.id));
    let mut answer = (status, Json(&record)).into_response();
    etag::put(&mut answer, &etag::of(&record));
    if let Ok(place) = place {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

/// `GET commands/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id<CommandId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = app.gateway.registry().command(&id).await?;
    // A stranger's command is not told apart from one that is not there.
    let record = found.filter(|record| app.sees(&who, &record.device_id));
    let record = record.ok_or_else(|| Problem::not_found("command", &id))?;
    Ok(etag::answer(&headers, &etag::of(&record), &record))
}

/// Which commands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    limit: Option<usize>,
    cursor: Option<String>,
    device: Option<DeviceId>,
}

/// `GET commands`, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<CommandRecord>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let after = paging::number(which.cursor.as_deref())?;
    match (&which.device, &who.scope) {
        (Some(id), _) => app.allow(&who, Action::Read, Target::Device(id)).await?,
        (None, Scope::All) => {}
        (None, Scope::Devices(_)) => {
            let detail = "must be given: your token reaches some devices alone";
            return Err(Problem::parameter("device", detail));
        }
    }
    let page = app.gateway.registry().commands(which.device.as_ref(), after, limit).await?;
    let next = page.next.map(|key| paging::after(&key.to_string()));
    Ok(Json(paging::Page { items: page.items, next }))
}

//! Whether the process lives, and whether it can be used.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value as Json_, json};

use crate::problem::{Kind, Problem};
use crate::state::App;

/// It answers: it lives.
pub(crate) async fn live() -> Json<Json_> {
    Json(json!({ "status": "live" }))
}

/// The store is open and the layers are up: this one serves only then. No plugin and no link
/// changes it.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    if app.closing.is_cancelled() {
        return Problem::new(Kind::Unavailable, "the gateway is stopping").retry(5).into_response();
    }
    Json(json!({ "status": "ready" })).into_response()
}

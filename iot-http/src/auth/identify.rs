//! Finds out who asks. Everything under `/api`, and `/metrics`, needs a credential; 401 comes before
//! any other answer, so that whoever has none learns nothing.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{Credential, Denied, TokenSecret};

use super::cookie;
use crate::extract::{Caller, discard};
use crate::problem::Problem;
use crate::serve::Via;
use crate::state::App;

/// The credential that the caller showed, for those who end a session or keep a connection.
#[derive(Debug, Clone)]
pub(crate) struct Presented(pub(crate) Credential);

const SESSION: &str = "/api/v1/session";
const SOCKET: &str = "/api/v1/ws";
const OPEN: [&str; 2] = [SESSION, "/api/v1/openapi.json"];

fn is_guarded(path: &str) -> bool {
    path == "/metrics" || path == "/api" || path.starts_with("/api/")
}

/// Whether this is a handshake of a WebSocket: it may sign in by its first message.
fn wants_socket(method: &Method, headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|v| v.to_str().ok());
    method == Method::GET && upgrade.is_some_and(|v| v.eq_ignore_ascii_case("websocket"))
}

/// What was shown. `Authorization` counts alone where it is sent.
fn shown(request: &Request, cookie_name: &str) -> Option<Credential> {
    if matches!(request.extensions().get::<Via>(), Some(Via::Control)) {
        return Some(Credential::Local);
    }
    let secret = match request.headers().get(header::AUTHORIZATION) {
        Some(value) => {
            let text = value.to_str().unwrap_or("");
            let (scheme, secret) = text.split_once(' ').unwrap_or((text, ""));
            let secret = if scheme.eq_ignore_ascii_case("bearer") { secret.trim() } else { "" };
            TokenSecret::given(secret)
        }
        None => cookie::find(request.headers(), cookie_name)?,
    };
    Some(Credential::Secret(secret))
}

/// Lets nobody through who must sign in first.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !is_guarded(path) {
        return next.run(request).await;
    }
    let open = OPEN.contains(&path);
    let later = path == SOCKET && wants_socket(request.method(), request.headers());
    let found = match shown(&request, &app.cookie) {
        None if open || later => return next.run(request).await,
        None => Err(Denied::Unauthenticated),
        Some(credential) => {
            app.gateway.access().authenticate(&credential).await.map(|who| (who, credential))
        }
    };
    match found {
        Ok((who, credential)) => {
            request.extensions_mut().insert(Caller(who));
            request.extensions_mut().insert(Presented(credential));
            next.run(request).await
        }
        Err(Denied::Unauthenticated) if open => next.run(request).await,
        Err(denied) => {
            discard(request.into_body()).await;
            Problem::from(denied).into_response()
        }
    }
}

//! The page's session: begun with a link's one-time token or an API token, kept in a cookie.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use iot_core::domain::{
    Credential, Denied, Principal, Timestamp, TokenKind, TokenRecord, TokenSecret,
};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use crate::auth::{self, Presented};
use crate::extract::{Body, Caller};
use crate::problem::{Kind, Problem};
use crate::serve::Via;
use crate::state::App;

/// What a browser signs in with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    token: String,
}

fn about(app: &App, name: &str, role: &str) -> Json_ {
    let info = app.gateway.info();
    json!({
        "principal": { "name": name, "role": role },
        "gateway": {
            "id": info.id,
            "name": info.name,
            "time_zone": info.time_zone,
            "language": info.language,
        },
        "build": info.build,
    })
}

/// `GET session`.
pub(crate) async fn show(State(app): State<App>, Caller(who): Caller) -> Json<Json_> {
    Json(about(&app, &who.name, who.role.word()))
}

/// `POST session`.
pub(crate) async fn start(
    State(app): State<App>,
    Extension(via): Extension<Via>,
    Body(sign_in): Body<SignIn>,
) -> Result<Response, Problem> {
    let (secret, token) = match open(&app, &TokenSecret::given(&sign_in.token)).await {
        Ok(session) => session,
        Err(problem) => return Err(failed(&app, via, problem)),
    };
    let name = format!("{}:{}", token.kind.word(), token.name);
    let mut answer = Json(about(&app, &name, token.role.word())).into_response();
    let lives = token.expires.unwrap_or(Timestamp::MAX).since(app.gateway.clock().wall);
    if let Some(cookie) = auth::set(&app.cookie, &secret, lives, false) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// A link is used up; an API token stays, and its session ends with it. A session's own secret opens
/// nothing here: a stolen cookie must not live on in others.
async fn open(app: &App, secret: &TokenSecret) -> Result<(TokenSecret, TokenRecord), Problem> {
    match app.gateway.redeem_link(secret).await {
        Err(Denied::Unauthenticated) => Ok(app.gateway.start_session(secret).await?),
        opened => Ok(opened?),
    }
}

fn failed(app: &App, via: Via, problem: Problem) -> Problem {
    let Via::Tcp(peer) = via else { return problem };
    if problem.kind != Kind::Unauthenticated {
        return problem;
    }
    match app.brake.failed(peer.ip()) {
        Ok(()) => {
            tracing::warn!(peer = %peer.ip(), "a sign-in failed");
            Problem::new(
                Kind::Unauthenticated,
                "this token opens nothing: it is wrong, was used, has expired or was revoked; \
                 `iot-server token link` prints another",
            )
        }
        Err(seconds) => {
            let detail = format!("too many sign-ins failed from {}; wait {seconds} s", peer.ip());
            Problem::new(Kind::TooMany, detail).retry(seconds)
        }
    }
}

/// `DELETE session`: it is revoked and the cookie taken away. Without one there is nothing to do.
pub(crate) async fn end(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
    presented: Option<Extension<Presented>>,
) -> Result<Response, Problem> {
    if let (Some(Extension(Caller(who))), Some(Extension(Presented(Credential::Secret(secret))))) =
        (caller, presented)
    {
        revoke(&app, &who, &secret).await?;
    }
    let mut answer = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = auth::clear(&app.cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// An API token is not ended with the session of somebody who shows it.
async fn revoke(app: &App, who: &Principal, secret: &TokenSecret) -> Result<(), Problem> {
    let hash = secret.hash();
    let is_session =
        app.gateway.tokens().iter().any(|t| t.hash == hash && t.kind == TokenKind::Session);
    if is_session {
        app.gateway.revoke(who, &hash).await?;
    }
    Ok(())
}

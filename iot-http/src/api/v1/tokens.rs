//! Tokens of programs, and sign-in links of people. A secret is shown once, when it is made.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{DeviceId, IdError, Role, Scope, TokenKind, TokenRecord};
use iot_core::gateway::NewToken;
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::plugins::Which;
use crate::extract::{Body, Caller, Id, Query};
use crate::links::links;
use crate::paging;
use crate::problem::{Kind, Problem};
use crate::state::App;

/// Digits of the hash by which a token is named.
const DIGITS: usize = 16;
/// A century: longer than anybody means.
const LONGEST_S: u64 = 100 * 365 * 24 * 3600;

fn id_of(token: &TokenRecord) -> String {
    token.hash.0.chars().take(DIGITS).collect()
}

fn shape(token: &TokenRecord) -> Json_ {
    let devices = match &token.scope {
        Scope::All => None,
        Scope::Devices(devices) => Some(devices),
    };
    json!({
        "id": id_of(token),
        "kind": token.kind,
        "name": token.name,
        "role": token.role,
        "devices": devices,
        "created": token.created,
        "expires": token.expires,
    })
}

/// `GET tokens`, oldest first.
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<Json_>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let all = app.gateway.tokens();
    // The time of making first, so that what is made during a walk comes at its end.
    let key =
        |token: &&TokenRecord| format!("{:020}{}", token.created.as_micros().max(0), id_of(token));
    let mut sorted: Vec<&TokenRecord> = all.iter().collect();
    sorted.sort_by_key(key);
    let page = paging::cut(sorted.into_iter(), which.cursor.as_deref(), limit, key)?;
    Ok(Json(paging::Page { items: page.items.into_iter().map(shape).collect(), next: page.next }))
}

/// A token to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default = "api")]
    kind: TokenKind,
    name: Option<String>,
    role: Option<Role>,
    devices: Option<Vec<DeviceId>>,
    #[serde(alias = "lifetime_s")]
    expires_in_s: Option<u64>,
}

fn api() -> TokenKind {
    TokenKind::Api
}

/// `POST tokens`: `{"name":"grafana","role":"viewer"}`.
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let missing = |pointer| Problem::field(Kind::Invalid, pointer, "must be given");
    match wanted.kind {
        TokenKind::Link => return link(State(app), Caller(who)).await,
        TokenKind::Session => {
            return Err(Problem::field(Kind::Invalid, "/kind", "must be api or link"));
        }
        TokenKind::Api => {}
    }
    let lifetime = match wanted.expires_in_s {
        None => None,
        Some(seconds @ 1..=LONGEST_S) => Some(Duration::from_secs(seconds)),
        Some(_) => {
            let detail = "must lie between 1 and 3153600000";
            return Err(Problem::field(Kind::Invalid, "/expires_in_s", detail));
        }
    };
    let new = NewToken {
        kind: TokenKind::Api,
        name: wanted.name.ok_or_else(|| missing("/name"))?,
        role: wanted.role.ok_or_else(|| missing("/role"))?,
        scope: wanted.devices.map_or(Scope::All, Scope::Devices),
        lifetime,
    };
    let (secret, token) = app.gateway.issue(&who, new).await?;
    let mut shown = shape(&token);
    shown["token"] = Json_::from(secret.reveal());
    Ok(made(&token, shown))
}

/// `POST tokens/link`: a sign-in link for each address.
pub(crate) async fn link(State(app): State<App>, Caller(who): Caller) -> Result<Response, Problem> {
    let (secret, token) = app.gateway.issue(&who, NewToken::link()).await?;
    let mut shown = shape(&token);
    shown["token"] = Json_::from(secret.reveal());
    shown["links"] = json!(links(&app.addresses.get(), &secret));
    Ok(made(&token, shown))
}

fn made(token: &TokenRecord, shown: Json_) -> Response {
    let mut answer = (StatusCode::CREATED, Json(shown)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/tokens/{}", id_of(token))) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer
}

/// The id of a token: the first digits of its hash.
#[derive(Debug)]
pub(crate) struct TokenId(String);

impl std::str::FromStr for TokenId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(IdError {
            what: "token id",
            text: text.chars().take(80).collect(),
            why: "must be 16 hex digits, as the list shows them",
        })
    }
}

/// `DELETE tokens/{id}`: it opens nothing from now on.
pub(crate) async fn revoke(
    State(app): State<App>,
    Caller(who): Caller,
    Id(TokenId(id)): Id<TokenId>,
) -> Result<StatusCode, Problem> {
    let all = app.gateway.tokens();
    let token = all.iter().find(|token| id_of(token) == id);
    let token = token.ok_or_else(|| Problem::not_found("token", &id))?;
    app.gateway.revoke(&who, &token.hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

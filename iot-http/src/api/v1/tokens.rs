//! Tokens of programs, and sign-in links of people. A secret is shown once, when it is made.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{DeviceId, IdError, Principal, Role, Scope, TokenKind, TokenRecord};
use iot_core::gateway::NewToken;
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::plugins::Which;
use crate::etag;
use crate::extract::{Body, Caller, Id, Query};
use crate::links::links;
use crate::paging;
use crate::problem::{Kind, Problem};
use crate::state::App;

/// Digits of the hash by which a token is named.
const DIGITS: usize = 16;
/// A century: longer than anybody means.
const LONGEST_S: u64 = 100 * 365 * 24 * 3600;
/// A link is to be used soon.
const LONGEST_LINK_S: u64 = 24 * 3600;

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

/// What is made here; sessions are begun with `POST session`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Made {
    #[default]
    Api,
    Link,
}

/// A token to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    kind: Made,
    name: Option<String>,
    role: Option<Role>,
    devices: Option<Vec<DeviceId>>,
    expires_in_s: Option<u64>,
    lifetime_s: Option<u64>,
}

impl Wanted {
    /// How long it is to live, where that is said.
    fn lifetime(&self) -> Result<Option<Duration>, Problem> {
        let most = match self.kind {
            Made::Api => LONGEST_S,
            Made::Link => LONGEST_LINK_S,
        };
        let wrong = |pointer, detail: String| Err(Problem::field(Kind::Invalid, pointer, detail));
        match (self.expires_in_s, self.lifetime_s) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => wrong("/lifetime_s", "is the same as expires_in_s".to_owned()),
            (Some(seconds), None) | (None, Some(seconds)) if (1..=most).contains(&seconds) => {
                Ok(Some(Duration::from_secs(seconds)))
            }
            (said, _) => {
                let pointer = if said.is_some() { "/expires_in_s" } else { "/lifetime_s" };
                wrong(pointer, format!("must lie between 1 and {most}"))
            }
        }
    }

    fn read(self) -> Result<NewToken, Problem> {
        let missing = |pointer| Problem::field(Kind::Invalid, pointer, "must be given");
        let lifetime = self.lifetime()?;
        let scope = self.devices.map_or(Scope::All, Scope::Devices);
        Ok(match self.kind {
            Made::Api => NewToken {
                kind: TokenKind::Api,
                name: self.name.ok_or_else(|| missing("/name"))?,
                role: self.role.ok_or_else(|| missing("/role"))?,
                scope,
                lifetime,
            },
            Made::Link => {
                let usual = NewToken::link();
                NewToken {
                    name: self.name.unwrap_or(usual.name),
                    role: self.role.unwrap_or(usual.role),
                    scope,
                    lifetime,
                    ..usual
                }
            }
        })
    }
}

/// `POST tokens`: `{"name":"grafana","role":"viewer"}`; with `"kind":"link"` a sign-in link.
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    issue(&app, &who, wanted.read()?).await
}

/// `POST tokens/link`: a sign-in link of an administrator for each address.
pub(crate) async fn link(State(app): State<App>, Caller(who): Caller) -> Result<Response, Problem> {
    issue(&app, &who, NewToken::link()).await
}

async fn issue(app: &App, who: &Principal, new: NewToken) -> Result<Response, Problem> {
    let (secret, token) = app.gateway.issue(who, new).await?;
    let mut shown = shape(&token);
    shown["token"] = Json_::from(secret.reveal());
    if token.kind == TokenKind::Link {
        shown["links"] = json!(links(&app.addresses.get(), &secret));
    }
    Ok(made(&token, shown))
}

fn made(token: &TokenRecord, shown: Json_) -> Response {
    let mut answer = (StatusCode::CREATED, Json(shown)).into_response();
    etag::put(&mut answer, &etag::of(&shape(token)));
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

fn found(app: &App, id: &str) -> Result<TokenRecord, Problem> {
    let token = app.gateway.tokens().into_iter().find(|token| id_of(token) == id);
    token.ok_or_else(|| Problem::not_found("token", &id))
}

/// `GET tokens/{id}`, as the list shows it.
pub(crate) async fn show(
    State(app): State<App>,
    Id(TokenId(id)): Id<TokenId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let shown = shape(&found(&app, &id)?);
    Ok(etag::answer(&headers, &etag::of(&shown), &shown))
}

/// `DELETE tokens/{id}`: it opens nothing from now on.
pub(crate) async fn revoke(
    State(app): State<App>,
    Caller(who): Caller,
    Id(TokenId(id)): Id<TokenId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let token = found(&app, &id)?;
    etag::check(&headers, &etag::of(&shape(&token)))?;
    app.gateway.revoke(&who, &token.hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! How requests are read: JSON bodies, queries and ids, each refused in words that name the field.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body as RawBody, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use iot_core::domain::{IdError, Principal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::problem::{Kind, Problem};
use crate::state::App;

/// A body that does not arrive within this is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read of a body that is refused, so that its sender hears why instead of a broken pipe.
const DISCARD: usize = 32 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| iot_core::domain::Denied::Unauthenticated.into())
    }
}

/// The id in the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr<Err = IdError>> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params =
            params.map_err(|e| Problem::new(Kind::BadRequest, format!("the path: {e}")))?;
        let text = params.iter().next().map_or("", |(_, value)| value);
        Ok(Self(text.parse()?))
    }
}

/// The query, without parameters that nobody knows.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(query)| Self(query)).map_err(|error| {
            let why = error.body_text();
            let why = why.trim_start_matches("Failed to deserialize query string: ");
            Problem::new(Kind::BadRequest, format!("the query: {why}"))
        })
    }
}

/// A parameter that is there or not: `raw=1`, `history=true`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match String::deserialize(d)?.as_str() {
            "1" | "true" | "" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err(serde::de::Error::custom("must be 1 or 0")),
        }
    }
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Err(problem) = is_json(&parts.headers) {
            discard(body).await;
            return Err(problem);
        }
        let bytes = read(body, app.body_limit).await?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json"))
    {
        return Err(Problem::new(Kind::MediaType, "Content-Type must be application/json"));
    }
    match text(header::CONTENT_ENCODING) {
        "" | "identity" => Ok(()),
        _ => Err(Problem::new(Kind::MediaType, "a compressed body is not taken; send it as it is")),
    }
}

/// Reads a body up to a limit. The rest of a larger one is passed over, within bounds.
async fn read(body: RawBody, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut taken = Vec::new();
    let whole = async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk
                .map_err(|_| Problem::new(Kind::BadRequest, "the body broke off before its end"))?;
            if taken.len() + chunk.len() > limit {
                return Ok(false);
            }
            taken.extend_from_slice(&chunk);
        }
        Ok(true)
    };
    match tokio::time::timeout(PATIENCE, whole).await {
        Ok(Ok(true)) => Ok(taken.into()),
        Ok(Ok(false)) => {
            drop(taken);
            discard(RawBody::from_stream(stream)).await;
            Err(Problem::new(Kind::TooLarge, format!("the body may hold {limit} bytes")))
        }
        Ok(Err(problem)) => Err(problem),
        Err(_) => Err(Problem::new(Kind::Slow, "the body did not arrive within 30 s")),
    }
}

/// Reads and forgets what is left of a body, within bounds.
pub(crate) async fn discard(body: RawBody) {
    let mut stream = body.into_data_stream();
    let mut left = DISCARD;
    let all = async {
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it was read to its end does not matter: the answer is no in any case.
    let _in_time = tokio::time::timeout(DISCARD_TIME, all).await;
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be taken for an object's fields in their order, which nobody means.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::field(Kind::Invalid, "", "the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                Problem::field(Kind::Invalid, &pointer, without_place(&error))
            }
            _ => Problem::new(Kind::BadRequest, format!("the body is not JSON: {error}")),
        }
    })?;
    json.end().map_err(|e| Problem::new(Kind::BadRequest, format!("the body is not JSON: {e}")))?;
    Ok(read)
}

/// Line and column say nothing beside the pointer.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text.split_at(at).0.to_owned(),
        None => text,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

//! How requests are read: JSON bodies, queries and ids, each refused in words that name the field.

mod query;
mod words;

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body as RawBody, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use iot_core::domain::{IdError, Principal};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::problem::{Kind, Problem, step};
use crate::state::App;

pub(crate) use query::{Flag, Query, refuse};
use words::Complaint;

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
        let (name, text) = params.iter().next().unwrap_or_default();
        text.parse().map(Self).map_err(|e: IdError| Problem {
            detail: e.to_string(),
            ..Problem::parameter(name, e.to_string())
        })
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
    // All of it first: what broke off is no JSON, whatever its beginning would have been taken for.
    let broken = |why: &dyn std::fmt::Display| {
        Problem::new(Kind::BadRequest, format!("the body is not JSON: {why}"))
    };
    let text = std::str::from_utf8(bytes).map_err(|e| broken(&e))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| broken(&e))?;
    // A list would be taken for an object's fields in their order, which nobody means.
    if text.trim_start().starts_with('[') {
        return Err(Problem::field(Kind::Invalid, "", "the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let mut at = pointer(error.path());
        let Complaint { field, detail } = words::plain(&error.into_inner().to_string(), "field");
        if let Some(field) = field.map(|name| step(&name)).filter(|step| !at.ends_with(step)) {
            at.push_str(&field);
        }
        Problem::field(Kind::Invalid, &at, detail)
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(step(key)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use iot_core::domain::Role;
    use iot_core::gateway::{NewDevice, SensorEdit};

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> Problem {
        parse::<T>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_broke_off_is_no_json_whatever_came_before() {
        let deep = "[".repeat(100_000);
        for body in [deep.as_str(), "{\"device_id\":\"x\",\"device_id\":", "{\"device_id\":5", ""] {
            let problem = refused::<NewDevice>(body);
            assert_eq!(problem.kind, Kind::BadRequest, "{body:.40}");
            assert!(problem.detail.starts_with("the body is not JSON"), "{}", problem.detail);
        }
    }

    #[test]
    fn fields_are_named_and_rust_is_not() {
        for (body, pointer, detail) in [
            ("{}", "/device_id", "must be given"),
            (r#"{"device_id":"x","device_id":"y"}"#, "/device_id", "is given twice"),
            (r#"{"device_id":5}"#, "/device_id", "must be a text, not the number 5"),
            (r#"{"device_id":"x","labels":{}}"#, "/labels", "must be a list, not an object"),
            (r#"{"device_id":"x","labels":[1]}"#, "/labels/0", "must be a text, not the number 1"),
            ("5", "", "must be an object, not the number 5"),
        ] {
            let problem = refused::<NewDevice>(body);
            assert_eq!(problem.kind, Kind::Invalid, "{body}");
            assert_eq!(problem.errors[0].pointer, pointer, "{body}");
            assert_eq!(problem.errors[0].detail, detail, "{body}");
        }
        let unknown = refused::<NewDevice>(r#"{"device_id":"x","a/b":1}"#);
        assert_eq!(unknown.errors[0].pointer, "/a~1b");
        for (body, pointer, detail) in [
            (
                r#"{"precision":300}"#,
                "/precision",
                "must be a whole number from 0 to 255, not the number 300",
            ),
            (
                r#"{"calibration":{"scale":"x"}}"#,
                "/calibration/scale",
                "must be a number, not the text \"x\"",
            ),
            (r#"{"calibration":7}"#, "/calibration", "must be an object, not the number 7"),
        ] {
            let problem = refused::<SensorEdit>(body);
            assert_eq!(problem.errors[0].pointer, pointer, "{body}");
            assert_eq!(problem.errors[0].detail, detail, "{body}");
        }
        let odd = refused::<BTreeMap<String, Role>>(r#"{"a":5}"#);
        assert_eq!((odd.errors[0].pointer.as_str(), odd.kind), ("/a", Kind::Invalid));
        assert_eq!(odd.errors[0].detail, "must be a text");
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        let deep = refused::<serde_json::Value>(&deep);
        assert!(deep.detail.ends_with("is nested too deep"), "{}", deep.detail);
        let large = refused::<BTreeMap<String, f64>>(r#"{"a":1e999}"#);
        assert_eq!(large.errors[0].detail, "is too large a number");
    }
}

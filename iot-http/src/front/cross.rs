//! What a page of another site may read: those of `[http] origins` are answered so that their browser
//! lets them. Without credentials: such a page brings a token, the session's cookie stays here.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE";
const HEADERS: &str = "authorization, content-type, if-match";
/// What a page may read of an answer beside its body.
const EXPOSED: &str = "etag, location, retry-after";
/// How long a browser may remember what it was allowed.
const REMEMBERED_S: &str = "600";

/// Whether a browser asks before it sends a request.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser that asks.
pub(super) fn preflight(origin: HeaderValue) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    allow(headers, origin);
    answer
}

/// Lets a page of this origin read an answer.
pub(super) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

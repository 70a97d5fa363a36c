//! Entity tags, so that two people who edit one thing do not undo each other unseen.
//!
//! The tag of a device or sensor covers what is edited and described, not its state, its latest
//! reading or when it was heard: with those a tag would be old before anybody could send it back.
//! So `If-None-Match` asks "was the description changed?", and 304 says nothing of readings. For
//! that reason no answer of the API may be stored (`Cache-Control: no-store`): a browser then never
//! sends the header by itself.

use std::hash::{DefaultHasher, Hasher as _};

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::{Kind, Problem};

/// The tag of something that is shown as JSON.
pub(crate) fn of(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    format!("\"{:016x}\"", hasher.finish())
}

fn names(headers: &HeaderMap, name: HeaderName, tag: &str) -> Option<bool> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    Some(values.any(|value| {
        let value = value.to_str().unwrap_or("");
        value.split(',').map(str::trim).any(|one| one == "*" || one == tag)
    }))
}

/// `If-Match`: whether what is to be changed is still what the sender saw.
pub(crate) fn check(headers: &HeaderMap, tag: &str) -> Result<(), Problem> {
    match names(headers, header::IF_MATCH, tag) {
        Some(false) => Err(Problem::new(
            Kind::Changed,
            "it was changed since you read it; read it again and repeat your change",
        )),
        _ => Ok(()),
    }
}

/// `If-None-Match`: whether the sender has it already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    names(headers, header::IF_NONE_MATCH, tag).unwrap_or(false)
}

/// A resource with its tag; 304 for one that the sender has.
pub(crate) fn answer(headers: &HeaderMap, tag: &str, body: &impl Serialize) -> Response {
    let mut answer = if is_known(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(body).into_response()
    };
    put(&mut answer, tag);
    answer
}

/// Adds a tag to an answer.
pub(crate) fn put(answer: &mut Response, tag: &str) {
    if let Ok(value) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(header::ETAG, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_a_star_and_an_old_tag_are_told_apart() {
        let tag = of(&1);
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_str(text).unwrap());
            check(&headers, &tag).is_ok()
        };
        assert!(with(&tag));
        assert!(with(&format!("\"x\", {tag}")));
        assert!(with("*"));
        assert!(!with("\"x\""));
        assert!(!with(&format!("W/{tag}")), "a weak tag is no promise");
        assert!(check(&HeaderMap::new(), &tag).is_ok());
    }
}

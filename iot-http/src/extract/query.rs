//! Queries: each parameter that does not fit, is missing, given twice or not known is named.

use std::fmt;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::words;
use super::{Caller, discard, pointer};
use crate::problem::{Kind, Problem};

/// The query, without parameters that nobody knows.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri).map(Self)
    }
}

fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let axum::extract::Query(pairs) = pairs
        .map_err(|e| Problem::new(Kind::BadRequest, format!("the query: {}", e.body_text())))?;
    let pairs = pairs.into_iter().map(|(name, text)| (name, Text(text)));
    let pairs: MapDeserializer<'_, _, Error> = MapDeserializer::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let at = pointer(error.path());
        let complaint = words::plain(&error.into_inner().to_string(), "parameter");
        let name = complaint.field.as_deref().unwrap_or_else(|| at.trim_start_matches('/'));
        Problem::parameter(name, complaint.detail)
    })
}

/// Refuses a query where none is read. Who has not signed in hears that first, from what he asks for.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let stranger = request.extensions().get::<Caller>().is_none();
    match read::<Nothing>(request.uri()) {
        Err(problem) if !(stranger && request.method() == Method::GET) => {
            discard(request.into_body()).await;
            problem.into_response()
        }
        _ => next.run(request).await,
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

/// The text of one parameter, to be read as what is wanted.
struct Text(String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IntoDeserializer<'_, Error> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.0;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::invalid_value(Unexpected::Str(&text), &"u64"));
        }
        // What is larger is told the bounds of its parameter.
        visitor.visit_u64(text.parse().unwrap_or(u64::MAX))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum View {
        Whole,
        Summary,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        sensors: String,
        limit: Option<usize>,
        view: Option<View>,
        #[serde(default)]
        raw: Flag,
    }

    #[test]
    fn what_fits_is_read() {
        let uri = "/x?sensors=a%2Cb+c&limit=7&view=summary&raw".parse().unwrap();
        let read: Wanted = read(&uri).unwrap();
        assert_eq!((read.sensors.as_str(), read.limit, read.raw.0), ("a,b c", Some(7), true));
        assert!(matches!(read.view, Some(View::Summary)));
        assert!(!matches!(read.view, Some(View::Whole)));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (query, name, detail) in [
            ("", "sensors", "must be given"),
            ("sensors=a&sensors=b", "sensors", "is given twice"),
            ("bogus=1", "bogus", "is no parameter here; there are sensors, limit, view, raw"),
            ("limit=abc", "limit", "must be a whole number, 0 or more, not the text \"abc\""),
            ("limit=-1", "limit", "must be a whole number, 0 or more, not the text \"-1\""),
            ("limit=", "limit", "must be a whole number, 0 or more, not the text \"\""),
            ("view=nope", "view", "must be whole or summary, not \"nope\""),
            ("raw=yes", "raw", "must be 1 or 0"),
        ] {
            let uri = format!("/x?{query}").parse().unwrap();
            let problem = read::<Wanted>(&uri).unwrap_err();
            let field = &problem.errors[0];
            assert_eq!(field.parameter.as_deref(), Some(name), "{query}");
            assert_eq!(field.detail, detail, "{query}");
            assert_eq!(problem.detail, format!("{name}: {detail}"));
        }
    }
}

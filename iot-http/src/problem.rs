//! What a client hears when the answer is no: RFC 9457, always, with a type that does not change.
//!
//! The detail is for whoever sent the request. What the log needs beside it is logged where the
//! problem is made, and never sent.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use iot_core::domain::Denied;
use iot_core::gateway::EditError;
use iot_core::pipeline::CommandError;
use iot_core::port::{ConfigError, HistoryError, RegistryError};
use serde::Serialize;
use serde_json::{Value as Json_, json};

/// The closed list of problems. `type` is `urn:iot:problem:` and the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The request cannot be read: a wrong parameter, broken JSON.
    BadRequest,
    /// Nobody has signed in.
    Unauthenticated,
    /// The role or scope does not reach so far.
    Forbidden,
    /// The `Host` is not one of this machine's.
    Host,
    /// The `Origin` is another site.
    Origin,
    /// There is no such thing.
    NotFound,
    /// The path is there, the method is not.
    Method,
    /// The request took too long to arrive.
    Slow,
    /// It is there already, or belongs to somebody else.
    Conflict,
    /// It is decided elsewhere.
    ReadOnly,
    /// It was changed since it was read.
    Changed,
    /// The body is too large.
    TooLarge,
    /// The body is of another type.
    MediaType,
    /// The values do not fit.
    Invalid,
    /// This path speaks WebSocket.
    Upgrade,
    /// Too many tries.
    TooMany,
    /// A fault of the gateway.
    Internal,
    /// It cannot be done now.
    Unavailable,
    /// The store has no room.
    Full,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Host,
        Self::Origin,
        Self::NotFound,
        Self::Method,
        Self::Slow,
        Self::Conflict,
        Self::ReadOnly,
        Self::Changed,
        Self::TooLarge,
        Self::MediaType,
        Self::Invalid,
        Self::Upgrade,
        Self::TooMany,
        Self::Internal,
        Self::Unavailable,
        Self::Full,
    ];

    /// Status, word of the type, title.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "This is not allowed"),
            Self::Host => (S::FORBIDDEN, "host", "The Host is not one of this gateway's"),
            Self::Origin => (S::FORBIDDEN, "origin", "Another site may not do this"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "There is no such thing"),
            Self::Method => (S::METHOD_NOT_ALLOWED, "method", "This cannot be done here"),
            Self::Slow => (S::REQUEST_TIMEOUT, "slow", "The request took too long to arrive"),
            Self::Conflict => (S::CONFLICT, "conflict", "It is in the way of something else"),
            Self::ReadOnly => (S::CONFLICT, "read-only", "It is decided elsewhere"),
            Self::Changed => (S::PRECONDITION_FAILED, "changed", "It was changed meanwhile"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::MediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body is of another type")
            }
            Self::Invalid => (S::UNPROCESSABLE_ENTITY, "invalid", "The values do not fit"),
            Self::Upgrade => (S::UPGRADE_REQUIRED, "upgrade", "This path speaks WebSocket"),
            Self::TooMany => (S::TOO_MANY_REQUESTS, "too-many", "Too many tries"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "A fault of the gateway"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Not now"),
            Self::Full => (S::INSUFFICIENT_STORAGE, "store-full", "The store has no room"),
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        self.parts().0
    }

    pub(crate) fn word(self) -> &'static str {
        self.parts().1
    }
}

/// One thing that does not fit: a field of the body, `{"pointer":"/name","detail":…}`, or a parameter
/// of the query or the path, `{"pointer":"/limit","parameter":"limit","detail":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Field {
    /// A JSON Pointer into the body; for a parameter, `/` and its name.
    pub(crate) pointer: String,
    /// The parameter's name; left out for a field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    pub(crate) detail: String,
}

impl Field {
    /// A field of the body.
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), parameter: None, detail: detail.into() }
    }

    /// In words.
    fn said(&self) -> String {
        match self.pointer.trim_start_matches('/') {
            "" => self.detail.clone(),
            name => format!("{name}: {}", self.detail),
        }
    }
}

/// A step of a JSON Pointer: `/` and the name.
pub(crate) fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The answer "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    pub(crate) errors: Vec<Field>,
    /// Seconds after which another try makes sense.
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// A field of the body.
    pub(crate) fn field(kind: Kind, pointer: &str, detail: impl Into<String>) -> Self {
        let field = Field::new(pointer, detail);
        Self::new(kind, field.said()).with(vec![field])
    }

    /// A parameter of the query or the path. A name that nobody knows is cut.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let name: String = name.chars().take(60).collect();
        let detail = detail.into();
        let said = format!("{name}: {detail}");
        let field = Field { pointer: step(&name), parameter: Some(name), detail };
        Self::new(Kind::BadRequest, said).with(vec![field])
    }

    /// Names the fields.
    pub(crate) fn with(mut self, errors: Vec<Field>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) fn not_found(what: &str, name: &impl ToString) -> Self {
        let name: String = name.to_string().chars().take(130).collect();
        Self::new(Kind::NotFound, format!("there is no {what} {name}"))
    }

    pub(crate) fn retry(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Its JSON, for answers and for the WebSocket.
    pub(crate) fn json(&self) -> Json_ {
        let (status, word, title) = self.kind.parts();
        let mut json = json!({
            "type": format!("urn:iot:problem:{word}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            json["errors"] = json!(self.errors);
        }
        json
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = (self.kind.status(), Json(self.json())).into_response();
        let headers = answer.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer.extensions_mut().insert(self.kind);
        answer
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        match denied {
            Denied::Unauthenticated => Self::new(Kind::Unauthenticated, detail),
            Denied::Unavailable => Self::new(Kind::Unavailable, detail).retry(5),
            _ => Self::new(Kind::Forbidden, detail),
        }
    }
}

/// What does not fit, as fields and in words.
fn fields(errors: Vec<ConfigError>) -> (Vec<Field>, String) {
    let fields: Vec<Field> = errors.into_iter().map(named).collect();
    let said: Vec<String> = fields.iter().map(Field::said).collect();
    (fields, said.join("; "))
}

/// A schema complains of the object that a field is missing from; who sent it wants to know the field.
fn named(error: ConfigError) -> Field {
    let missing = error.detail.strip_suffix(" is a required property");
    match missing.and_then(|name| serde_json::from_str::<String>(name).ok()) {
        Some(name) => Field::new(error.pointer + &step(&name), "must be given"),
        None => Field::new(error.pointer, error.detail),
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let detail = error.to_string();
        match error {
            EditError::NotFound { .. } => Self::new(Kind::NotFound, detail),
            EditError::Invalid(errors) => {
                let (fields, said) = fields(errors);
                Self::new(Kind::Invalid, said).with(fields)
            }
            EditError::Conflict(_) => Self::new(Kind::Conflict, detail),
            EditError::ReadOnly(_) => Self::new(Kind::ReadOnly, detail),
            EditError::Full(_) => Self::new(Kind::Full, detail).retry(60),
            _ => Self::new(Kind::Unavailable, detail).retry(5),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::UnknownDevice(_) => Self::new(Kind::NotFound, detail),
            CommandError::UnknownCommand { .. } => {
                let field = Field::new("/name", detail.clone());
                Self::new(Kind::NotFound, detail).with(vec![field])
            }
            CommandError::Params(errors) => {
                let (mut fields, said) = fields(errors);
                fields.iter_mut().for_each(|field| field.pointer.insert_str(0, "/params"));
                Self::new(Kind::Invalid, format!("the parameters do not fit: {said}")).with(fields)
            }
            CommandError::Timeout => {
                let field = Field::new("/timeout_ms", detail.clone());
                Self::new(Kind::Invalid, detail).with(vec![field])
            }
            CommandError::Busy => Self::new(Kind::Unavailable, detail).retry(1),
            CommandError::Conflict(_) => Self::new(Kind::Conflict, detail),
            CommandError::Full(_) => Self::new(Kind::Full, detail).retry(60),
            _ => Self::new(Kind::Unavailable, detail).retry(5),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        tracing::warn!(%error, "the history could not be read");
        Self::new(Kind::Unavailable, "the history cannot be read now").retry(5)
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        tracing::warn!(%error, "the registry could not be read");
        Self::new(Kind::Unavailable, "the store cannot be read now").retry(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_type_of_its_own() {
        let mut words: Vec<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
    }

    #[test]
    fn too_many_open_commands_are_503_and_say_when_to_try_again() {
        let answer = Problem::from(CommandError::Busy).into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_wrong_field_or_parameter_is_named() {
        let json = Problem::parameter("points", "must lie between 1 and 10000").json();
        let parameter = json!({
            "pointer": "/points",
            "parameter": "points",
            "detail": "must lie between 1 and 10000",
        });
        assert_eq!(json["errors"], json!([parameter]));
        assert_eq!(json["detail"], "points: must lie between 1 and 10000");
        assert_eq!(json["type"], "urn:iot:problem:bad-request");
        let json = Problem::field(Kind::Invalid, "/a/b", "must be given").json();
        assert_eq!(json["errors"], json!([{ "pointer": "/a/b", "detail": "must be given" }]));
    }

    #[test]
    fn a_missing_parameter_of_a_command_is_named_and_nothing_is_called_configuration() {
        let errors = vec![
            ConfigError::at("", "\"interval/ms\" is a required property"),
            ConfigError::at("", "Additional properties are not allowed"),
            ConfigError::at("/level", "5 is more than 4"),
        ];
        let problem = Problem::from(CommandError::Params(errors));
        let pointers: Vec<&str> = problem.errors.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/params/interval~1ms", "/params", "/params/level"]);
        assert_eq!(
            problem.detail,
            "the parameters do not fit: interval~1ms: must be given; \
             Additional properties are not allowed; level: 5 is more than 4"
        );
        let edit = Problem::from(EditError::Invalid(vec![ConfigError::at("", "no")]));
        assert_eq!(edit.detail, "no");
    }
}

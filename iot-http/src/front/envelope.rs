//! The outermost part: `Date`, security headers, counting, and the end of panics.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use iot_core::domain::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::problem::{Kind, Problem};
use crate::state::App;

const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'self'";

/// Runs the rest and completes its answer.
pub(crate) async fn envelope(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let stored = !(path == "/api" || path.starts_with("/api/") || path == "/metrics");
    let run = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut answer = run.unwrap_or_else(|_| {
        tracing::error!(%method, path, "a handler panicked");
        Problem::new(Kind::Internal, "the gateway made a mistake; its log says more")
            .into_response()
    });
    app.counters.answered(answer.status(), answer.extensions().get::<Kind>().copied());
    let headers = answer.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    if !stored {
        set(header::CACHE_CONTROL, "no-store");
    }
    if let Some(date) = date(app.gateway.clock().wall) {
        headers.insert(header::DATE, date);
    }
    answer
}

/// The gateway's time, by which a page tells how old a reading is.
fn date(now: Timestamp) -> Option<HeaderValue> {
    let now = jiff::Timestamp::from_microsecond(now.as_micros()).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_has_the_form_of_http() {
        let date = date(Timestamp::from_millis(1_700_000_000_123)).unwrap();
        assert_eq!(date, "Tue, 14 Nov 2023 22:13:20 GMT");
    }
}

//! The routes as one router, and the order in which a request passes: envelope, `Host` and `Origin`,
//! who asks, the route's rule, the handler.

use std::panic::{self, AssertUnwindSafe};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use iot_core::port::LayerError;

use crate::auth::{enforce, identify};
use crate::front;
use crate::layer::error;
use crate::problem::{Kind, Problem};
use crate::route;
use crate::state::App;

/// More than axum says of a refusal.
const LONGEST_REFUSAL: usize = 4_096;

/// Builds the router; an integrator's own routes stand beside ours, without our sign-in.
pub(crate) fn build(app: &App, own: Option<Router>) -> Result<Router, LayerError> {
    let mut ours = Router::new();
    for route in route::table() {
        let rule = from_fn_with_state((app.clone(), route.declared.needs), enforce);
        ours = ours.route(route.declared.path, route.handler.route_layer(rule));
    }
    let ours: Router = ours
        .method_not_allowed_fallback(no_method)
        .fallback(elsewhere)
        .layer(map_response(plain_refusals))
        .layer(from_fn_with_state(app.clone(), identify))
        .with_state(app.clone());
    let all = match own {
        None => ours,
        // axum panics on a path that is there twice; for us that is a configuration that cannot be.
        Some(own) => panic::catch_unwind(AssertUnwindSafe(|| ours.merge(own))).map_err(|_| {
            error("the merged routes repeat a path of the API or have a fallback".to_owned())
        })?,
    };
    Ok(all
        .layer(from_fn_with_state(app.clone(), front::check))
        .layer(from_fn_with_state(app.clone(), front::envelope)))
}

async fn no_method(request: Request) -> Problem {
    let detail = format!(
        "{} is not something that can be done to {}",
        request.method(),
        request.uri().path()
    );
    Problem::new(Kind::Method, detail)
}

/// Paths that are no route: assets and views of the page, or nothing.
async fn elsewhere(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let first = path.split('/').nth(1).unwrap_or("");
    if matches!(first, "api" | "docs" | "health" | "metrics") {
        let path: String = path.chars().take(120).collect();
        return Problem::new(Kind::NotFound, format!("there is no {path}")).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = no_method(request).await.into_response();
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return answer;
    }
    app.page.serve(path, request.headers())
}

/// A refusal that axum itself wrote as plain text becomes a problem like all others.
async fn plain_refusals(answer: Response) -> Response {
    let status = answer.status();
    let is_plain = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !status.is_client_error() || !is_plain || answer.extensions().get::<Kind>().is_some() {
        return answer;
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.status() == status);
    let Some(kind) = kind else { return answer };
    let text = axum::body::to_bytes(answer.into_body(), LONGEST_REFUSAL).await.unwrap_or_default();
    let text = std::str::from_utf8(&text).unwrap_or("");
    // What it says of a path whose escapes are no text.
    let named = text.split_once("Invalid UTF-8 in `").and_then(|(_, rest)| rest.split_once('`'));
    match named {
        Some((name, _)) => Problem::parameter(name, "is not UTF-8"),
        None => {
            Problem::new(kind, status.canonical_reason().unwrap_or("the request cannot be served"))
        }
    }
    .into_response()
}

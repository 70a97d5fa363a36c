//! The WebSocket: live readings, changes of devices, commands and their outcomes.
//!
//! The handshake needs a credential as REST does, or the first message brings one within 5 s; nothing
//! is sent before. A token never stands in the address, which proxies log.

mod changes;
mod message;
mod rendered;
mod snapshot;
mod socket;
mod subscription;
mod wire;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

pub(crate) use changes::Changes;
pub(crate) use rendered::Rendered;

use crate::auth::Presented;
use crate::extract::Caller;
use crate::problem::{Kind, Problem};
use crate::serve::{Progress, Seat};
use crate::state::App;

/// The most that one message of a client may hold.
const MESSAGE: usize = 64 << 10;

/// `GET ws`.
pub(crate) async fn open(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
    presented: Option<Extension<Presented>>,
    Extension(progress): Extension<Progress>,
    Extension(seat): Extension<Seat>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let detail = "this path speaks WebSocket: send `Upgrade: websocket`";
        let mut answer = Problem::new(Kind::Upgrade, detail).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        return answer;
    };
    let signed_in = match (caller, presented) {
        (Some(Extension(Caller(who))), Some(Extension(Presented(credential)))) => {
            Some((who, credential))
        }
        _ => None,
    };
    // Taken now: the end of the layer waits for a socket that is still coming about, too.
    let tracked = app.sockets.token();
    upgrade
        .max_message_size(MESSAGE)
        .max_frame_size(MESSAGE)
        .on_failed_upgrade(|error| tracing::debug!(%error, "a WebSocket did not come about"))
        .on_upgrade(async move |socket| {
            socket::run(app, socket, signed_in, progress, seat).await;
            drop(tracked);
        })
}

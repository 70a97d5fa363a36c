//! One connection: HTTP/1.1 with a deadline for its headers, and upgrades.

use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, service};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::progress::{Progress, Watched};
use super::{Seat, Via};

/// Who does not send a request's head within this is not served; an idle connection neither.
const HEADERS: Duration = Duration::from_secs(30);
/// The most that a request's head may hold.
const HEAD: usize = 64 << 10;

/// Serves a connection until it ends, or until the layer does.
pub(super) async fn serve<S>(
    stream: S,
    via: Via,
    seat: Seat,
    router: Router,
    closing: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let progress = Progress::default();
    let io = TokioIo::new(Watched::new(stream, progress.clone()));
    let service = service::service_fn(move |mut request: Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(via);
        extensions.insert(seat.clone());
        extensions.insert(progress.clone());
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

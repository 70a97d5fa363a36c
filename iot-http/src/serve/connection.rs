//! One connection: HTTP/1.1 with a deadline for each head and for answers that nobody takes, and
//! upgrades.

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
/// Who takes nothing of an answer for so long has left its place to others.
const UNREAD: Duration = Duration::from_secs(30);
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
    let watched = progress.clone();
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
        () = watched.stalled(UNREAD) => {
            tracing::debug!("an answer was not taken, its connection is cut");
            return;
        }
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    use super::*;

    /// A connection with a place of its own, and the client's end of it.
    fn connected(places: &Arc<Semaphore>) -> DuplexStream {
        let router = Router::new()
            .route("/small", get(async || "small"))
            .route("/large", get(async || "x".repeat(1 << 20)));
        let (client, server) = tokio::io::duplex(4 << 10);
        let seat = Arc::new(places.clone().try_acquire_owned().unwrap());
        let closing = CancellationToken::new();
        iot_core::task::spawn(serve(server, Via::Control, seat, router, closing));
        client
    }

    async fn ask(client: &mut DuplexStream, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
    }

    /// Seconds until the place is free again.
    async fn freed(places: &Arc<Semaphore>) -> u64 {
        let began = Instant::now();
        let _place = places.acquire().await.unwrap();
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_its_answer_loses_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let mut client = connected(&places);
        ask(&mut client, "/large").await;
        assert!((30..=35).contains(&freed(&places).await));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_it_slowly_keeps_its_place_and_then_may_not_idle() {
        let places = Arc::new(Semaphore::new(1));
        let mut client = connected(&places);
        ask(&mut client, "/large").await;
        let (mut taken, mut some) = (0, [0_u8; 64 << 10]);
        while taken < 1 << 20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let n = client.read(&mut some).await.unwrap();
            assert!(n > 0, "it is cut after {taken} bytes");
            taken += n;
        }
        ask(&mut client, "/small").await;
        assert!((25..=35).contains(&freed(&places).await));
    }
}

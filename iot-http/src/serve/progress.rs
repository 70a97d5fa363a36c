//! Whether the other side still reads: when bytes last left for it, and since when some wait.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How often it is looked whether bytes wait.
const LOOK: Duration = Duration::from_secs(5);
/// No bytes wait.
const NONE: u64 = u64::MAX;

/// When bytes last left on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Marks>);

/// Milliseconds since the connection's begin.
#[derive(Debug)]
struct Marks {
    began: Instant,
    left: AtomicU64,
    waiting: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        let (left, waiting) = (AtomicU64::new(0), AtomicU64::new(NONE));
        Self(Arc::new(Marks { began: Instant::now(), left, waiting }))
    }
}

impl Progress {
    /// Notes how a write went.
    fn note(&self, written: &Poll<io::Result<usize>>) {
        let Marks { began, left, waiting } = &*self.0;
        let now = || u64::try_from(began.elapsed().as_millis()).unwrap_or(NONE - 1);
        match written {
            Poll::Pending if waiting.load(Ordering::Relaxed) == NONE => {
                waiting.store(now(), Ordering::Relaxed);
            }
            Poll::Ready(Ok(1..)) => {
                left.store(now(), Ordering::Relaxed);
                waiting.store(NONE, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// When the kernel last took bytes.
    pub(crate) fn last(&self) -> Instant {
        self.0.began + Duration::from_millis(self.0.left.load(Ordering::Relaxed))
    }

    /// Waits until bytes have waited for so long and none of them left.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let until = match self.0.waiting.load(Ordering::Relaxed) {
                NONE => Instant::now() + LOOK,
                ms => self.0.began + Duration::from_millis(ms) + patience,
            };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A stream that notes when bytes leave.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    progress: Progress,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Progress) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.progress.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

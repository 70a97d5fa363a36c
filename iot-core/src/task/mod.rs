//! Every task has a name, an owner and an end. `tokio::spawn` is disallowed elsewhere.

use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Spawns a task whose owner keeps the handle, and awaits or aborts it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that spawns; the owner gets the handle"
)]
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// Tasks under one stop signal.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
    names: Vec<(tokio::task::Id, &'static str)>,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet, under a stop signal of the owner's.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { set: JoinSet::new(), names: Vec::new(), stop }
    }

    /// The stop signal.
    #[must_use]
    pub fn stop_signal(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Spawns a named task.
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(async move {
            work.await;
            name
        });
        self.names.push((handle.id(), name));
    }

    /// Signals the end, waits for all tasks, and aborts by name those that are not done in time.
    pub async fn stop(&mut self, within: Duration) {
        self.stop.cancel();
        let deadline = tokio::time::Instant::now() + within;
        while !self.set.is_empty() {
            match tokio::time::timeout_at(deadline, self.set.join_next_with_id()).await {
                Ok(Some(Ok((id, _)))) => self.names.retain(|(other, _)| *other != id),
                Ok(Some(Err(error))) => {
                    let id = error.id();
                    let name = self.names.iter().find(|(other, _)| *other == id).map(|(_, n)| *n);
                    tracing::error!(task = name.unwrap_or("?"), %error, "a task ended badly");
                    self.names.retain(|(other, _)| *other != id);
                }
                Ok(None) => break,
                Err(_) => {
                    for (_, name) in &self.names {
                        tracing::warn!(task = name, "a task did not end in time, it is aborted");
                    }
                    self.set.abort_all();
                    while self.set.join_next().await.is_some() {}
                }
            }
        }
    }
}

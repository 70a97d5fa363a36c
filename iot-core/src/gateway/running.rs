//! A running gateway, and how it ends: instances and layers, then the log, then the store.

use std::ops::Deref;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::handle::Handle;
use super::start::StartError;
use crate::pipeline::presence::Presence;
use crate::pipeline::writer::Writer;
use crate::port::{Layer, LayerCx, LayerError};
use crate::task::Tasks;

const LAYERS_END: Duration = Duration::from_millis(2_000);
const FLUSH: Duration = Duration::from_millis(1_500);
const TASKS_END: Duration = Duration::from_millis(500);

/// The gateway's own tasks.
pub(crate) struct Tasked {
    pub(crate) tasks: Tasks,
    writer: JoinSet<()>,
    pub(crate) give_up: CancellationToken,
}

impl Tasked {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Tasks::new(CancellationToken::new()),
            writer: JoinSet::new(),
            give_up: CancellationToken::new(),
        }
    }

    pub(crate) fn writer(&mut self, writer: Writer) {
        self.writer.spawn(writer.run());
    }
}

/// A running gateway. It derefs to its [`Handle`]. Dropped without [`Running::stop`], its tasks are
/// aborted: as after a crash, only what was committed is there.
pub struct Running {
    handle: Handle,
    tasked: Tasked,
    layers: JoinSet<(&'static str, Result<(), LayerError>)>,
    layers_stop: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Deref for Running {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Running {
    pub(super) fn new(handle: Handle, tasked: Tasked) -> Self {
        Self { handle, tasked, layers: JoinSet::new(), layers_stop: CancellationToken::new() }
    }

    /// A handle that can be kept and cloned.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Opens the layers: each takes what it needs of the world. None serves yet.
    pub(super) async fn open_layers(
        &self,
        layers: Vec<Box<dyn Layer>>,
    ) -> Result<Vec<Box<dyn Layer>>, StartError> {
        let mut open = Vec::with_capacity(layers.len());
        for mut layer in layers {
            match layer.open(LayerCx { gateway: self.handle.clone() }).await {
                Ok(()) => open.push(layer),
                Err(error) if error.optional => {
                    let layer = layer.name();
                    tracing::warn!(layer, %error, "a layer is not there, the rest goes on");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(open)
    }

    /// Lets open layers serve.
    pub(super) fn run_layers(&mut self, layers: Vec<Box<dyn Layer>>) {
        for layer in layers {
            let (name, stop) = (layer.name(), self.layers_stop.clone());
            self.layers.spawn(async move { (name, layer.run(stop).await) });
        }
    }

    /// Waits until a layer ends by itself, which it should not, and says why. Waits for ever where
    /// there are no layers.
    pub async fn ended(&mut self) -> LayerError {
        match self.layers.join_next().await {
            Some(Ok((_, Err(error)))) => error,
            Some(Ok((layer, Ok(())))) => {
                LayerError { layer, why: "it ended by itself".to_owned(), optional: false }
            }
            Some(Err(error)) => {
                LayerError { layer: "a layer", why: error.to_string(), optional: false }
            }
            None => std::future::pending().await,
        }
    }

    /// Ends: instances and layers say goodbye, what was taken in is committed, the store is closed.
    /// Takes 4 s at most. True when everything taken in is on disk.
    pub async fn stop(mut self) -> bool {
        self.layers_stop.cancel();
        let host = self.handle.shared.host.clone();
        let instances = async {
            if let Some(host) = host {
                host.stop_all().await;
            }
        };
        let layers = async {
            let end = async {
                while let Some(ended) = self.layers.join_next().await {
                    match ended {
                        Ok((_, Ok(()))) => {}
                        Ok((layer, Err(error))) => {
                            tracing::warn!(layer, %error, "a layer ended badly")
                        }
                        Err(error) => tracing::error!(%error, "a layer ended badly"),
                    }
                }
            };
            if tokio::time::timeout(LAYERS_END, end).await.is_err() {
                tracing::warn!("a layer did not end in time, it is aborted");
            }
        };
        tokio::join!(instances, layers);
        self.layers.shutdown().await;
        self.tasked.tasks.stop(TASKS_END).await;

        let shared = &self.handle.shared;
        let seen = Presence {
            catalogue: shared.catalogue.clone(),
            queue: shared.queue.clone(),
            bus: shared.bus.clone(),
            clock: shared.clock.clone(),
            rate: shared.rate.clone(),
        }
        .seen();
        shared.queue.seen(seen.into_iter());
        shared.bus.close();
        shared.queue.close();
        let flush = async { while self.tasked.writer.join_next().await.is_some() {} };
        let flushed = tokio::time::timeout(FLUSH, flush).await.is_ok();
        if !flushed {
            self.tasked.give_up.cancel();
        }
        let ledger = shared.ledger.view();
        if ledger.queued > 0 {
            tracing::error!(readings = ledger.queued, "the store could not take what was queued");
        }
        self.tasked.writer.shutdown().await;
        shared.store.keeper.close().await;
        ledger.queued == 0
    }
}

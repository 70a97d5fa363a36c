//! Layers: long-running parts that consume or serve the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{BrokerFigures, CommandRoute, ConfigError, Links};
use crate::gateway::Handle;

/// What a layer may use of the gateway.
#[derive(Debug, Clone)]
pub struct LayerCx {
    /// The gateway.
    pub gateway: Handle,
}

/// A layer could not be opened, or ended when it should not have.
#[derive(Debug, thiserror::Error)]
#[error("{layer}: {why}")]
pub struct LayerError {
    /// Which layer.
    pub layer: &'static str,
    /// What is wrong, and what to do.
    pub why: String,
    /// Whether the gateway is of use without it: then it is only said, and the rest goes on.
    pub optional: bool,
}

/// A long-running part: MQTT, HTTP.
#[async_trait]
pub trait Layer: Send + 'static {
    /// Its name, that of its configuration table.
    fn name(&self) -> &'static str;

    /// Checks its configuration, without touching the world.
    ///
    /// # Errors
    /// What is wrong and where.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The way of commands to the devices that it speaks to.
    fn command_route(&self) -> Option<Arc<dyn CommandRoute>> {
        None
    }

    /// The links to other brokers that it keeps.
    fn links(&self) -> Option<Arc<dyn Links>> {
        None
    }

    /// The embedded broker that it is.
    fn broker(&self) -> Option<Arc<dyn BrokerFigures>> {
        None
    }

    /// Takes what it needs of the world (ports, sockets), and spawns nothing.
    ///
    /// # Errors
    /// When it cannot have it.
    async fn open(&mut self, cx: LayerCx) -> Result<(), LayerError>;

    /// Serves until it is told to stop; then says goodbye within 2 s.
    ///
    /// # Errors
    /// When it ends for another reason.
    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError>;
}

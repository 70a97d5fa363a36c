//! A gateway that this process opens for the moment, because no server runs on its folder: under the
//! same lock, and served over the same socket, so that a command is the same routes either way.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::bail;
use iot_core::gateway::Running;

use super::configuration;
use crate::compose::{self, Place};
use crate::config::{Config, Sources};

/// A gateway at rest.
#[derive(Debug)]
pub(crate) struct InProcess {
    running: Running,
    addresses: Vec<SocketAddr>,
}

impl InProcess {
    /// Opens the gateway of a folder, which must hold one.
    pub(crate) async fn open(sources: &Sources, place: &Place) -> anyhow::Result<Self> {
        let (loaded, _) = configuration(sources)?;
        if !holds_gateway(&loaded.config, &place.data) {
            bail!(
                "there is no gateway in {}: start the server there first, or name its data folder \
                 with --data",
                place.data.display()
            );
        }
        let running = compose::at_rest(&loaded, place).start().await?;
        Ok(Self { running, addresses: loaded.config.http.listen })
    }

    /// Where the gateway would listen by the configuration that this command was given.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Closes it: what was changed is on disk.
    pub(crate) async fn close(self) {
        self.running.stop().await;
    }
}

/// Whether a server has been here: a command must not leave an empty database behind.
fn holds_gateway(config: &Config, data: &Path) -> bool {
    match config.storage.url.strip_prefix("sqlite:") {
        Some(file) => data.join(file.trim_start_matches("//")).is_file(),
        None => data.is_dir(),
    }
}

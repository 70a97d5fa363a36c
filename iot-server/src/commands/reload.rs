//! SIGHUP: the configuration is read again; what can change does, and what cannot is said.

use iot_core::domain::SettingKey;
use iot_core::gateway::Handle;

use super::configuration;
use crate::config::{Loaded, Sources};

/// Reads the configuration again. A wrong one changes nothing. What holds only from a start is
/// compared with the configuration that the gateway was started with, for that is what runs.
pub(crate) fn reload(sources: &Sources, running: &Loaded, gateway: &Handle) {
    match take(sources, running, gateway) {
        Ok(()) => tracing::info!("the configuration was read again"),
        Err(error) => {
            tracing::error!("the configuration was not taken, the old one holds: {error:#}")
        }
    }
}

fn take(sources: &Sources, running: &Loaded, gateway: &Handle) -> anyhow::Result<()> {
    let (after, _) = configuration(sources)?;
    let before = gateway.settings();
    gateway.override_settings(after.overrides.clone())?;
    for setting in gateway.settings() {
        // The disk cap is shown at once, and kept to from the next start on.
        if setting.key != SettingKey::DiskCap && !before.contains(&setting) {
            let (key, value) = (setting.key.word(), &setting.value);
            tracing::info!(key, %value, "a setting was taken");
        }
    }
    for key in after.fixed_changes(running) {
        tracing::warn!(key, "this differs from what runs, and holds only from the next start");
    }
    Ok(())
}

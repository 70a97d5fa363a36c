//! SIGHUP: the configuration is read again; what can change does, and what cannot is said.

use iot_core::domain::SettingKey;
use iot_core::gateway::Handle;

use super::configuration;
use crate::config::{Loaded, Sources};

/// Reads the configuration again. A wrong one changes nothing.
pub(crate) fn reload(sources: &Sources, before: &mut Loaded, gateway: &Handle) {
    match take(sources, before, gateway) {
        Ok(()) => tracing::info!("the configuration was read again"),
        Err(error) => {
            tracing::error!("the configuration was not taken, the old one holds: {error:#}")
        }
    }
}

fn take(sources: &Sources, before: &mut Loaded, gateway: &Handle) -> anyhow::Result<()> {
    let (after, _) = configuration(sources)?;
    gateway.override_settings(after.overrides.clone())?;
    for setting in gateway.settings() {
        let of = |loaded: &Loaded| {
            loaded.overrides.iter().find(|(key, ..)| *key == setting.key).map(|o| o.1.clone())
        };
        if of(before) == of(&after) {
            continue;
        }
        let (key, value) = (setting.key.word(), &setting.value);
        if setting.key == SettingKey::DiskCap {
            tracing::warn!(key, "a change was read that holds only from the next start");
        } else {
            tracing::info!(key, %value, "a setting was taken");
        }
    }
    for key in after.fixed_changes(before) {
        tracing::warn!(key, "a change was read that holds only from the next start");
    }
    *before = after;
    Ok(())
}

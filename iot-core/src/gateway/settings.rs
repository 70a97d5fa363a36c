//! Settings: shown, set by hand, and overridden from outside.

use serde_json::Value as Json;

use super::edit::{EditError, checked};
use super::handle::Handle;
use crate::domain::{Principal, SettingKey, SettingSource, SettingView};
use crate::port::{Change, ConfigError};

impl Handle {
    /// All settings of the closed list.
    #[must_use]
    pub fn settings(&self) -> Vec<SettingView> {
        self.shared.settings.views()
    }

    /// Changes when any setting does; its value counts the changes.
    #[must_use]
    pub fn settings_changed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.settings_changed.subscribe()
    }

    /// Sets settings, all or none; `null` puts one that cannot be `null` back to its default.
    ///
    /// # Errors
    /// When a value does not fit, or the setting is decided by file, environment or flag.
    pub async fn set(
        &self,
        who: &Principal,
        values: Vec<(SettingKey, Json)>,
    ) -> Result<Vec<SettingView>, EditError> {
        let mut errors = Vec::new();
        for (key, value) in &values {
            let source = self.shared.settings.view(*key).source;
            if source > SettingSource::Stored {
                return Err(EditError::ReadOnly(format!(
                    "{} is set by {}; change it there",
                    key.word(),
                    match source {
                        SettingSource::File => "the configuration file",
                        SettingSource::Environment => "the environment",
                        _ => "a flag",
                    }
                )));
            }
            if !value.is_null()
                && let Err(detail) = key.check(value)
            {
                errors.push(ConfigError::at(format!("/{}", key.word()), detail));
            }
        }
        checked(errors)?;
        let changes = values
            .iter()
            .map(|(key, value)| Change::PutSetting(*key, (!value.is_null()).then(|| value.clone())))
            .collect();
        self.change(changes).await?;
        for (key, value) in values {
            let detail = value.to_string();
            self.shared.settings.store(key, (!value.is_null()).then_some(value));
            let target = format!("setting:{}", key.word());
            self.audit(who, "setting.set", &target, "done", Some(detail)).await;
        }
        self.shared.settings_changed.send_modify(|n| *n += 1);
        Ok(self.settings())
    }

    /// Replaces what file, environment and flags decide: after the file was read again.
    ///
    /// # Errors
    /// When a value does not fit; then nothing changes.
    pub fn override_settings(
        &self,
        overrides: Vec<(SettingKey, Json, SettingSource)>,
    ) -> Result<(), EditError> {
        let errors = overrides
            .iter()
            .filter_map(|(key, value, _)| {
                let detail = key.check(value).err()?;
                Some(ConfigError::at(format!("/{}", key.word()), detail))
            })
            .collect();
        checked(errors)?;
        self.shared.settings.override_with(overrides);
        self.shared.settings_changed.send_modify(|n| *n += 1);
        Ok(())
    }
}

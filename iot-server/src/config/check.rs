//! What is wrong beyond single values. Pure: it touches no file, port or device.

use std::collections::BTreeSet;

use iot_core::domain::{InstanceRecord, Origin, SettingSource};
use iot_core::registry::Registered;

use super::fault::{Fault, Place};
use super::json;
use super::keys::KEYS;
use super::merge::{Loaded, Sources};
use super::model::{Config, Instance};
use super::mqtt;

/// Checks a configuration, and gives its instances as the gateway takes them.
pub(crate) fn check(
    loaded: &Loaded,
    sources: &Sources,
    registered: &Registered,
) -> Result<Vec<InstanceRecord>, Fault> {
    let file = sources
        .file()
        .map_or(Place::Anywhere, |path| Place::File { path: path.to_owned(), line: None });
    settings(loaded, &file)?;
    let Config { storage, instance, .. } = &loaded.config;
    registered.store(&storage.url).map_err(|e| Fault::anywhere("storage.url", e.to_string()))?;
    mqtt::check(&loaded.config.mqtt, &file)?;
    let mut names = BTreeSet::new();
    instance
        .iter()
        .map(|instance| {
            let at = format!("[[instance]] {}", instance.name);
            if !names.insert(instance.name.as_str()) {
                let what = "there are two instances of this name";
                return Err(Fault::new(file.clone(), at, what));
            }
            check_instance(instance, registered)
                .map_err(|(pointer, what)| Fault::new(file.clone(), format!("{at}{pointer}"), what))
        })
        .collect()
}

/// Settings hold in the file what they hold over the API.
fn settings(loaded: &Loaded, file: &Place) -> Result<(), Fault> {
    for (setting, value, source) in &loaded.overrides {
        let Err(rule) = setting.check(value) else { continue };
        let key = KEYS.iter().find(|key| key.setting == Some(*setting));
        let place = match (source, key) {
            (SettingSource::Environment, Some(key)) => Place::Variable(key.variable()),
            _ => file.clone(),
        };
        let path = key.map(super::keys::Key::path).unwrap_or_default();
        return Err(Fault::new(place, path, format!("{value} {rule}")));
    }
    Ok(())
}

/// An instance as the gateway takes it, or where in it something is wrong and what.
fn check_instance(
    instance: &Instance,
    registered: &Registered,
) -> Result<InstanceRecord, (String, String)> {
    let kind = registered
        .plugin(instance.kind.as_str())
        .map_err(|error| (".kind".to_owned(), error.to_string()))?;
    let config = json::of_table(&instance.config);
    kind.validate(&config).map_err(|error| {
        let place = if error.pointer.is_empty() { "" } else { " " };
        (format!(".config{place}{}", error.pointer), error.detail)
    })?;
    Ok(InstanceRecord {
        name: instance.name.clone(),
        kind: instance.kind.clone(),
        config,
        origin: Origin::File,
        enabled: true,
    })
}

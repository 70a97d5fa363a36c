//! What is wrong beyond single values. Pure: it touches no file, port or device.

use std::collections::BTreeSet;

use iot_core::domain::{InstanceRecord, Origin, SettingSource};
use iot_core::registry::Registered;

use super::fault::{Fault, Place};
use super::json;
use super::keys::KEYS;
use super::merge::{Loaded, Sources};
use super::model::{Config, Instance, Link};

/// The schemes of brokers' addresses.
const SCHEMES: [&str; 4] = ["mqtt://", "mqtts://", "ws://", "wss://"];

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
    let Config { storage, mqtt, instance, .. } = &loaded.config;
    registered.store(&storage.url).map_err(|e| Fault::anywhere("storage.url", e.to_string()))?;
    let mut names = BTreeSet::new();
    for link in &mqtt.link {
        let fault =
            |what: String| Fault::new(file.clone(), format!("[[mqtt.link]] {}", link.name), what);
        check_link(link).map_err(fault)?;
        if !names.insert(link.name.as_str()) {
            return Err(fault("there are two links of this name".to_owned()));
        }
    }
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

fn check_link(link: &Link) -> Result<(), String> {
    let Link { name, url, qos, devices, .. } = link;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err("name: must be 1 to 64 of A-Z a-z 0-9 _ -".to_owned());
    }
    let host = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
    if host.is_none_or(|host| host.is_empty() || host.starts_with(['/', ':'])) {
        return Err(format!(
            "url: {url:?} must be mqtt://HOST:PORT, mqtts://HOST:PORT, ws://… or wss://…"
        ));
    }
    if url.contains('@') {
        return Err(
            "url: write the user as username, and the password's file as password_file".to_owned()
        );
    }
    if *qos > 2 {
        return Err(format!("qos: {qos} must be 0, 1 or 2"));
    }
    if devices.is_empty() {
        return Err("devices: must name at least one device, or \"*\" for all".to_owned());
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file;

    fn link(url: &str) -> Link {
        let text = format!("[[mqtt.link]]\nname = \"up\"\nurl = \"{url}\"\n");
        let table = file::parse(&text, Path::new("iot.toml")).unwrap();
        let config: Config = table.try_into().unwrap();
        config.mqtt.link[0].clone()
    }

    #[test]
    fn a_link_needs_a_brokers_address_without_a_secret_in_it() {
        for url in ["mqtt://h", "mqtts://h:8883", "wss://h/mqtt"] {
            assert_eq!(check_link(&link(url)), Ok(()), "{url}");
        }
        for url in ["h:1883", "http://h", "mqtt://", "mqtt:///x", "mqtt://me:secret@h"] {
            assert!(check_link(&link(url)).is_err(), "{url}");
        }
    }
}

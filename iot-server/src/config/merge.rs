//! File, variables and flags, one over the other; remembers what decided each setting.

use std::path::{Path, PathBuf};

use iot_core::domain::{SettingKey, SettingSource};
use serde_json::Value as Json;

use super::env::Environment;
use super::fault::Fault;
use super::file;
use super::keys::KEYS;
use super::model::Config;
use super::value::Listen;

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) environment: Environment,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--http`.
    pub(crate) http: Option<Listen>,
    /// `--mqtt`.
    pub(crate) mqtt: Option<Listen>,
}

/// The configuration, and what it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Settings that the file or a variable decides.
    pub(crate) overrides: Vec<(SettingKey, Json, SettingSource)>,
}

impl Sources {
    /// The configuration file, where there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.config.as_deref().or(self.environment.config.as_deref())
    }

    /// Reads the file and lays the rest over it.
    pub(crate) fn load(&self) -> Result<Loaded, Fault> {
        let file = self.file().map(file::read).transpose()?.unwrap_or_default();
        let mut merged = file.clone();
        for (name, over) in &self.environment.table {
            let table = merged
                .entry(name.as_str())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let (Some(table), Some(over)) = (table.as_table_mut(), over.as_table()) {
                table.extend(over.clone());
            }
        }
        // Each source was checked on its own; this cannot fail but by a fault of this program.
        let mut config: Config = merged
            .clone()
            .try_into()
            .map_err(|e: toml::de::Error| Fault::anywhere("", e.message()))?;
        if let Some(Listen::On(addresses)) = &self.http {
            config.http.listen.clone_from(addresses);
        }
        if let Some(listen) = &self.mqtt {
            config.mqtt.listen = listen.clone();
        }
        let overrides = overrides(&config, &self.environment.table, &merged);
        Ok(Loaded { config, overrides })
    }
}

impl Loaded {
    /// The keys that hold only from a start and whose values, flags included, differ from those of
    /// the configuration that runs.
    pub(crate) fn fixed_changes(&self, running: &Self) -> Vec<&'static str> {
        fixed(&self.config, &running.config)
            .into_iter()
            .filter_map(|(key, same)| (!same).then_some(key))
            .collect()
    }
}

/// All that holds only from a start, and whether it is the same in two configurations.
fn fixed(one: &Config, other: &Config) -> [(&'static str, bool); 23] {
    let (a, b) = (&one.mqtt, &other.mqtt);
    [
        ("gateway.id", one.gateway.id == other.gateway.id),
        ("storage.url", one.storage.url == other.storage.url),
        ("storage.synchronous", one.storage.synchronous == other.storage.synchronous),
        ("storage.wear", one.storage.wear == other.storage.wear),
        ("storage.disk_cap", one.storage.disk_cap == other.storage.disk_cap),
        ("storage.backlog_cap", one.storage.backlog_cap == other.storage.backlog_cap),
        ("http.listen", one.http.listen == other.http.listen),
        ("http.hosts", one.http.hosts == other.http.hosts),
        ("http.origins", one.http.origins == other.http.origins),
        ("mqtt.listen", a.listen == b.listen),
        ("mqtt.plain_beyond_loopback", a.plain_beyond_loopback == b.plain_beyond_loopback),
        ("mqtt.listen_tls", a.listen_tls == b.listen_tls),
        ("mqtt.tls_cert", a.tls_cert == b.tls_cert),
        ("mqtt.tls_key", a.tls_key == b.tls_key),
        ("mqtt.websocket", a.websocket == b.websocket),
        ("mqtt.local_commands", a.local_commands == b.local_commands),
        ("mqtt.max_clients", a.max_clients == b.max_clients),
        ("mqtt.max_rate", a.max_rate == b.max_rate),
        ("mqtt.max_message", a.max_message == b.max_message),
        ("time.trust", one.time.trust == other.time.trust),
        ("plugins.process_plugins", one.plugins == other.plugins),
        ("[[instance]]", one.instance == other.instance),
        ("[[mqtt.link]]", a.link == b.link),
    ]
}

fn value<'a>(document: &'a toml::Table, table: &str, name: &str) -> Option<&'a toml::Value> {
    if table.is_empty() { document.get(name) } else { document.get(table)?.as_table()?.get(name) }
}

/// Stored settings that somebody wrote down outside the store.
fn overrides(
    config: &Config,
    environment: &toml::Table,
    merged: &toml::Table,
) -> Vec<(SettingKey, Json, SettingSource)> {
    KEYS.iter()
        .filter_map(|key| {
            let setting = key.setting?;
            value(merged, key.table, key.name)?;
            let source = if value(environment, key.table, key.name).is_some() {
                SettingSource::Environment
            } else {
                SettingSource::File
            };
            Some((setting, written(config, setting)?, source))
        })
        .collect()
}

/// A setting's value as the configuration has it.
fn written(config: &Config, setting: SettingKey) -> Option<Json> {
    match setting {
        SettingKey::GatewayName => config.gateway.name.clone().map(Json::from),
        SettingKey::TimeZone => config.gateway.time_zone.clone().map(Json::from),
        SettingKey::Language => serde_json::to_value(config.gateway.language?).ok(),
        SettingKey::LogLevel => config.gateway.log_level.clone().map(Json::from),
        SettingKey::UnknownDevices => serde_json::to_value(config.mqtt.unknown_devices?).ok(),
        SettingKey::RetentionDays => config.storage.retention_days.map(Json::from),
        SettingKey::DiskCap => config.storage.disk_cap.map(|bytes| Json::from(bytes.0)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;

    use super::*;
    use crate::config::DEFAULT;
    use crate::config::keys::LISTS;

    fn load(file: &str, variables: &[(&str, &str)]) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iot.toml");
        std::fs::write(&path, file).unwrap();
        let variables = variables.iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
        let environment = Environment::read(variables).unwrap();
        Sources { environment, config: Some(path), ..Sources::default() }.load().unwrap()
    }

    #[test]
    fn variables_stand_over_the_file_and_flags_over_both() {
        let file = "[http]\nlisten = ['127.0.0.1:1']\nhosts = ['a']\n[gateway]\nname = 'x'\n";
        let loaded = load(file, &[("IOT_HTTP__LISTEN", "127.0.0.1:2")]);
        assert_eq!(loaded.config.http.listen, ["127.0.0.1:2".parse().unwrap()]);
        assert_eq!(loaded.config.http.hosts, ["a"]);
        let flags = Sources { http: Some("127.0.0.1:3".parse().unwrap()), ..Sources::default() };
        let flagged = flags.load().unwrap();
        assert_eq!(flagged.config.http.listen, ["127.0.0.1:3".parse().unwrap()]);
    }

    #[test]
    fn settings_know_what_decided_them() {
        let file = "[gateway]\nname = 'x'\nlanguage = 'ru'\n[storage]\ndisk_cap = '1GiB'\n";
        let loaded = load(file, &[("IOT_GATEWAY__NAME", "y")]);
        assert_eq!(
            loaded.overrides,
            [
                (SettingKey::GatewayName, Json::from("y"), SettingSource::Environment),
                (SettingKey::Language, Json::from("ru"), SettingSource::File),
                (SettingKey::DiskCap, Json::from(1_u64 << 30), SettingSource::File),
            ]
        );
    }

    #[test]
    fn changes_that_need_a_start_are_named() {
        let before = load("[gateway]\nname = 'x'\n", &[]);
        let after =
            load("[gateway]\nname = 'y'\nid = 'z'\n[[instance]]\nname='a'\nkind='b'\n", &[]);
        assert_eq!(after.fixed_changes(&before), ["gateway.id", "[[instance]]"]);
        assert!(before.fixed_changes(&before).is_empty());
        let spelled = load("[http]\nlisten = ['127.0.0.1:8080']\n", &[]);
        assert!(spelled.fixed_changes(&before).is_empty(), "the default, written down");
        let cap = load("[storage]\ndisk_cap = '1GiB'\n", &[]);
        assert_eq!(cap.fixed_changes(&before), ["storage.disk_cap"]);
    }

    #[test]
    fn every_key_that_holds_from_a_start_is_compared() {
        let config = Config::default();
        let compared: BTreeSet<String> =
            fixed(&config, &config).into_iter().map(|(key, _)| key.to_owned()).collect();
        let from_a_start = |setting| matches!(setting, None | Some(SettingKey::DiskCap));
        let keys = KEYS.iter().filter(|key| from_a_start(key.setting)).map(|key| key.path());
        let lists = LISTS.iter().map(|(table, list)| {
            let dot = if table.is_empty() { "" } else { "." };
            format!("[[{table}{dot}{list}]]")
        });
        assert_eq!(compared, keys.chain(lists).collect());
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let printed = load(DEFAULT, &[]);
        assert_eq!(printed.config, Config::default());
        assert!(printed.overrides.is_empty(), "a setting written here would be read-only");
    }

    #[test]
    fn every_key_stands_in_the_printed_defaults_and_every_line_of_it_parses() {
        let all: String = DEFAULT
            .lines()
            .map(|line| {
                let bare = line.strip_prefix("# ").unwrap_or(line);
                let is_key = bare.split_once(" = ").is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                });
                if is_key || bare.starts_with('[') { format!("{bare}\n") } else { "\n".to_owned() }
            })
            .collect();
        let loaded = load(&all, &[]);
        let document = file::parse(&all, Path::new("iot.toml")).unwrap();
        for key in KEYS {
            assert!(value(&document, key.table, key.name).is_some(), "{}", key.path());
        }
        for (table, list) in LISTS {
            assert!(value(&document, table, list).is_some(), "{list}");
        }
        let tables: usize =
            document.values().filter_map(toml::Value::as_table).map(toml::Table::len).sum();
        // [[instance]] is no table; `mqtt.link` is counted as a key.
        assert_eq!(tables, KEYS.len() + 1, "a key of the file is missing from KEYS");
        assert_eq!(loaded.config.mqtt.link.len(), 1);
        assert_eq!(loaded.config.instance.len(), 1);
    }
}

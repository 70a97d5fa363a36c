//! File, variables and flags, one over the other; remembers what decided each setting.

use std::path::{Path, PathBuf};

use iot_core::domain::{SettingKey, SettingSource};
use serde_json::Value as Json;

use super::env::Environment;
use super::fault::Fault;
use super::file;
use super::keys::{KEYS, LISTS};
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
    /// What the file and the variables say, for [`Loaded::changes`].
    merged: toml::Table,
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
        Ok(Loaded { config, overrides, merged })
    }
}

impl Loaded {
    /// The keys whose values differ from another configuration's and that hold only from a start.
    pub(crate) fn fixed_changes(&self, other: &Self) -> Vec<String> {
        let keys = KEYS
            .iter()
            .filter(|key| key.setting.is_none())
            .filter(|key| {
                value(&self.merged, key.table, key.name)
                    != value(&other.merged, key.table, key.name)
            })
            .map(super::keys::Key::path);
        let lists = LISTS.iter().filter_map(|(table, list)| {
            let changed = value(&self.merged, table, list) != value(&other.merged, table, list);
            let dot = if table.is_empty() { "" } else { "." };
            changed.then(|| format!("[[{table}{dot}{list}]]"))
        });
        keys.chain(lists).collect()
    }
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
    use std::ffi::OsString;

    use super::*;
    use crate::config::DEFAULT;

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
        for key in KEYS {
            assert!(value(&loaded.merged, key.table, key.name).is_some(), "{}", key.path());
        }
        for (table, list) in LISTS {
            assert!(value(&loaded.merged, table, list).is_some(), "{list}");
        }
        let tables: usize =
            loaded.merged.values().filter_map(toml::Value::as_table).map(toml::Table::len).sum();
        // [[instance]] is no table; `mqtt.link` is counted as a key.
        assert_eq!(tables, KEYS.len() + 1, "a key of the file is missing from KEYS");
        assert_eq!(loaded.config.mqtt.link.len(), 1);
        assert_eq!(loaded.config.instance.len(), 1);
    }
}

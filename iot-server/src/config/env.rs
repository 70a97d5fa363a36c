//! `IOT_*` variables: `IOT_HTTP__LISTEN` is `listen` in `[http]`; a list is cut at commas.
//!
//! `IOT_CONFIG`, `IOT_DATA` and `IOT_PLUGINS` stand for the flags of these names. Any other variable
//! that begins with `IOT_` is an error, for it was meant for this program and would do nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::fault::{Fault, Place};
use super::file::{explain, key_of};
use super::keys::{CONFIG, DATA, Form, KEYS, Key, LISTS, PLUGINS, PREFIX, WORKSHOP};
use super::model::Config;
use super::suggest;

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Environment {
    pub(crate) config: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) plugins: Option<PathBuf>,
    /// Keys of the configuration.
    pub(crate) table: toml::Table,
}

impl Environment {
    /// Reads this process's variables.
    pub(crate) fn of_process() -> Result<Self, Fault> {
        Self::read(std::env::vars_os())
    }

    /// Reads variables; those that do not begin with `IOT_` are not looked at.
    pub(crate) fn read(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Fault> {
        let mut environment = Self::default();
        let ours: BTreeMap<String, OsString> = variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) && !WORKSHOP.contains(&name.as_str()))
            .collect();
        for (name, value) in ours {
            match name.as_str() {
                CONFIG => environment.config = Some(value.into()),
                DATA => environment.data = Some(value.into()),
                PLUGINS => environment.plugins = Some(value.into()),
                _ => environment.take(&name, value)?,
            }
        }
        Ok(environment)
    }

    fn take(&mut self, name: &str, value: OsString) -> Result<(), Fault> {
        let fault = |what: String| Fault::new(Place::Variable(name.to_owned()), "", what);
        let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
            return Err(fault(unknown(name)));
        };
        let text = value.into_string().map_err(|_| fault("must be UTF-8".to_owned()))?;
        let value = spell(key, &text).map_err(fault)?;
        let mut alone = toml::Table::new();
        put(&mut alone, key, value.clone());
        serde_path_to_error::deserialize::<_, Config>(toml::Value::Table(alone)).map_err(
            |error| {
                let place = Place::Variable(name.to_owned());
                explain(place, &key_of(error.path()), error.inner().message())
            },
        )?;
        put(&mut self.table, key, value);
        Ok(())
    }
}

fn put(table: &mut toml::Table, key: &Key, value: toml::Value) {
    let inner = table.entry(key.table).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(inner) = inner.as_table_mut() {
        inner.insert(key.name.to_owned(), value);
    }
}

/// Text as the value that the key wants.
fn spell(key: &Key, text: &str) -> Result<toml::Value, String> {
    let list = |text: &str| {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        toml::Value::Array(items.map(|item| toml::Value::String(item.to_owned())).collect())
    };
    match key.form {
        Form::Text => Ok(toml::Value::String(text.to_owned())),
        Form::List => Ok(list(text)),
        Form::ListOrWord(word) if text == word => Ok(toml::Value::String(text.to_owned())),
        Form::ListOrWord(_) => Ok(list(text)),
        Form::Number => text
            .trim()
            .parse()
            .map(toml::Value::Integer)
            .map_err(|_| format!("{text:?} is no whole number")),
        Form::Flag => match text.trim() {
            "true" => Ok(toml::Value::Boolean(true)),
            "false" => Ok(toml::Value::Boolean(false)),
            _ => Err(format!("{text:?} must be true or false")),
        },
    }
}

fn unknown(name: &str) -> String {
    let of_list = LISTS.iter().find(|(table, list)| {
        let start = if table.is_empty() {
            format!("{PREFIX}{list}")
        } else {
            format!("{PREFIX}{table}__{list}")
        };
        name.starts_with(&start.to_uppercase())
    });
    match of_list {
        Some((table, list)) => {
            let dot = if table.is_empty() { "" } else { "." };
            format!("[[{table}{dot}{list}]] can only be written in the configuration file")
        }
        None => format!("there is no such variable; {}", suggest::for_variable(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Fault> {
        Environment::read(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn variables_are_keys_and_lists_are_cut_at_commas() {
        let environment = read(&[
            ("IOT_HTTP__LISTEN", "127.0.0.1:1, [::1]:2"),
            ("IOT_MQTT__LISTEN", "off"),
            ("IOT_MQTT__LISTEN_TLS", "0.0.0.0:8883"),
            ("IOT_MQTT__WEBSOCKET", "127.0.0.1:9001"),
            ("IOT_MQTT__LOCAL_COMMANDS", "false"),
            ("IOT_MQTT__MAX_RATE", "100"),
            ("IOT_STORAGE__RETENTION_DAYS", "30"),
            ("IOT_DATA", "/srv/iot"),
            ("PATH", "/bin"),
            ("IOT_PAGE", "off"),
        ])
        .unwrap();
        let expected: toml::Table = toml::from_str(
            "[http]\nlisten = ['127.0.0.1:1', '[::1]:2']\n[mqtt]\nlisten = 'off'\n\
             listen_tls = ['0.0.0.0:8883']\nwebsocket = ['127.0.0.1:9001']\n\
             local_commands = false\nmax_rate = 100\n\
             [storage]\nretention_days = 30\n",
        )
        .unwrap();
        assert_eq!(environment.table, expected);
        assert_eq!(environment.data, Some("/srv/iot".into()));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let fault = |name, value| read(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(
            fault("IOT_HTTP__LISTN", "x"),
            "IOT_HTTP__LISTN: there is no such variable; did you mean IOT_HTTP__LISTEN?"
        );
        assert!(fault("IOT_STORAGE__WEAR", "x").starts_with("IOT_STORAGE__WEAR: storage.wear: "));
        assert_eq!(
            fault("IOT_MQTT__MAX_MESSAGE", "0"),
            "IOT_MQTT__MAX_MESSAGE: mqtt.max_message: must be from 1KiB to 256MiB, not 0B"
        );
        assert!(fault("IOT_STORAGE__RETENTION_DAYS", "x").contains("no whole number"));
        assert_eq!(
            fault("IOT_MQTT__LOCAL_COMMANDS", "no"),
            "IOT_MQTT__LOCAL_COMMANDS: \"no\" must be true or false"
        );
        assert_eq!(
            fault("IOT_MQTT__MAX_CLIENTS", "0"),
            "IOT_MQTT__MAX_CLIENTS: mqtt.max_clients: must be from 1 to 100000, not 0"
        );
        assert!(fault("IOT_MQTT__LINK__NAME", "x").contains("[[mqtt.link]] can only be"));
        assert!(fault("IOT_INSTANCE", "x").contains("[[instance]] can only be"));
    }
}

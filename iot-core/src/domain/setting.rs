//! Stored settings: a closed list, each with a default, shown with what overrides it.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// A setting that can be changed while running and is kept in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingKey {
    /// The gateway's name, for people.
    GatewayName,
    /// The zone of calendar buckets when a request names none.
    TimeZone,
    /// The page's language where the browser has no wish: `en`, `ru`.
    Language,
    /// The log's level: `error`, `warn`, `info`, `debug`, `trace`, or a filter of targets.
    LogLevel,
    /// What happens to unknown devices: `accept`, `approve`, `refuse`.
    UnknownDevices,
    /// Days that readings are kept; `null` for ever.
    RetentionDays,
    /// The most that the data folder may hold, in bytes; `null` for half of what was free.
    DiskCap,
}

/// Languages of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Russian.
    Ru,
}

/// What happens to a device seen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownDevices {
    /// It is taken in at once.
    Accept,
    /// It waits in the inbox.
    Approve,
    /// Its readings are refused.
    Refuse,
}

impl SettingKey {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::GatewayName,
        Self::TimeZone,
        Self::Language,
        Self::LogLevel,
        Self::UnknownDevices,
        Self::RetentionDays,
        Self::DiskCap,
    ];

    /// Its name outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GatewayName => "gateway_name",
            Self::TimeZone => "time_zone",
            Self::Language => "language",
            Self::LogLevel => "log_level",
            Self::UnknownDevices => "unknown_devices",
            Self::RetentionDays => "retention_days",
            Self::DiskCap => "disk_cap",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.word() == text)
    }

    /// The value that holds where nobody set one.
    #[must_use]
    pub fn default_value(self) -> Json {
        match self {
            Self::GatewayName => json!("IoT gateway"),
            Self::TimeZone => json!("UTC"),
            Self::Language => json!("en"),
            Self::LogLevel => json!("info"),
            Self::UnknownDevices => json!("accept"),
            Self::RetentionDays | Self::DiskCap => Json::Null,
        }
    }

    /// Whether a value fits, or what would.
    ///
    /// # Errors
    /// A fragment that completes "must be …".
    pub fn check(self, value: &Json) -> Result<(), String> {
        let one_of = |words: &[&str]| match value.as_str() {
            Some(text) if words.contains(&text) => Ok(()),
            _ => Err(format!("must be one of {}", words.join(", "))),
        };
        match self {
            Self::GatewayName => match value.as_str() {
                Some(name) if (1..=64).contains(&name.chars().count()) => Ok(()),
                _ => Err("must be a text of 1 to 64 characters".to_owned()),
            },
            Self::TimeZone => match value.as_str() {
                Some(zone) if jiff::tz::TimeZone::get(zone).is_ok() => Ok(()),
                _ => Err("must be a zone of the time zone database, as Europe/Berlin".to_owned()),
            },
            Self::Language => one_of(&["en", "ru"]),
            Self::LogLevel => one_of(&["error", "warn", "info", "debug", "trace"]),
            Self::UnknownDevices => one_of(&["accept", "approve", "refuse"]),
            Self::RetentionDays => match value {
                Json::Null => Ok(()),
                Json::Number(n) if n.as_u64().is_some_and(|d| (1..=36_500).contains(&d)) => Ok(()),
                _ => Err("must be null or a whole number of days from 1 to 36500".to_owned()),
            },
            Self::DiskCap => match value {
                Json::Null => Ok(()),
                Json::Number(n) if n.as_u64().is_some_and(|b| b >= 64 << 20) => Ok(()),
                _ => {
                    Err("must be null or a number of bytes, 67108864 (64 MiB) at least".to_owned())
                }
            },
        }
    }
}

/// What decides a setting's value; a later one decides over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// It was set over the API and is kept in the store.
    Stored,
    /// The configuration file.
    File,
    /// An `IOT_*` variable.
    Environment,
    /// A flag.
    Flag,
}

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingView {
    /// Which.
    pub key: SettingKey,
    /// The value in force.
    pub value: Json,
    /// The value that would hold if nobody had set one.
    pub default: Json,
    /// What decides the value in force; anything above `Stored` makes it read-only.
    pub source: SettingSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_own_rule() {
        for key in SettingKey::ALL {
            assert_eq!(key.check(&key.default_value()), Ok(()), "{}", key.word());
            assert_eq!(SettingKey::parse(key.word()), Some(key));
        }
        assert!(SettingKey::TimeZone.check(&json!("Mars/Olympus")).is_err());
        assert!(SettingKey::RetentionDays.check(&json!(0)).is_err());
    }
}

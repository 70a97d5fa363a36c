//! What a link is told: where its broker is, what it sends there and what it takes in.
//!
//! [`LinkTable`] is what a person writes, in TOML or over REST; [`LinkConfig`] is what is left when
//! all of it was checked, so that nothing below has to doubt it.

use std::fmt;
use std::path::PathBuf;

use iot_core::domain::DeviceId;
use iot_core::pipeline::cursor::Begin;
use iot_core::port::ConfigError;
use serde::Deserialize;

use crate::topic::{self, Filter};

/// The longest name of a link: it stands in a client id, which some brokers keep short.
const LONGEST_NAME: usize = 32;
/// The most filters that one link subscribes to.
const FILTERS: usize = 100;

/// A link as a person writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTable {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The broker: `mqtt://host:1883`, `mqtts://host:8883`.
    pub url: String,
    /// The user to sign in as.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Whose readings go out: device ids, or `*` for all.
    #[serde(default = "all")]
    pub devices: Vec<String>,
    /// What stands before each topic, `site/7/`.
    #[serde(default)]
    pub prefix: String,
    /// The quality of service of what it publishes.
    #[serde(default = "one")]
    pub qos: u8,
    /// How readings are spelt.
    #[serde(default)]
    pub format: Format,
    /// Topic filters of readings to take in, behind the prefix.
    #[serde(default)]
    pub ingest: Vec<String>,
    /// Whether commands are taken in.
    #[serde(default)]
    pub commands: bool,
    /// The protocol's version; without it 5 is tried before 3.1.1.
    #[serde(default)]
    pub version: Option<String>,
    /// A PEM file of the roots that vouch for the broker, in place of the machine's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// After how many seconds of silence both sides show that they are there.
    #[serde(default = "half_a_minute")]
    pub keep_alive_s: u16,
    /// Where a new link begins: `start` sends what is on file.
    #[serde(default)]
    pub from: Beginning,
}

impl LinkTable {
    /// A link with nothing but its name and the broker's address.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            username: None,
            password: None,
            devices: all(),
            prefix: String::new(),
            qos: one(),
            format: Format::default(),
            ingest: Vec::new(),
            commands: false,
            version: None,
            ca: None,
            keep_alive_s: half_a_minute(),
            from: Beginning::default(),
        }
    }
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn one() -> u8 {
    1
}

fn half_a_minute() -> u16 {
    30
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How a link spells readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `{"ts":…,"temperature":21.5}`, one message for each device and instant.
    #[default]
    Flat,
}

impl Format {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Flat => "flat",
        }
    }
}

/// Where a new link begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// At the end of the log.
    #[default]
    End,
    /// At its beginning.
    Start,
}

/// Which versions of the protocol a link speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// 5, and 3.1.1 with a broker that does not know 5.
    Either,
    /// 3.1.1 alone.
    V3,
    /// 5 alone.
    V5,
}

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its name or IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to through TLS.
    pub tls: bool,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Whose readings a link is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// Everybody's.
    All,
    /// Those of these devices.
    These(Vec<DeviceId>),
}

impl Devices {
    /// Whether this device's are among them.
    #[must_use]
    pub fn contains(&self, device: &DeviceId) -> bool {
        match self {
            Self::All => true,
            Self::These(devices) => devices.contains(device),
        }
    }

    /// As a person writes them.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::All => all(),
            Self::These(devices) => devices.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A link, checked.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Its name.
    pub name: String,
    /// Its broker.
    pub address: Address,
    /// The user to sign in as.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Whose readings go out.
    pub devices: Devices,
    /// What stands before each topic.
    pub prefix: String,
    /// How readings are spelt.
    pub format: Format,
    /// Topic filters of readings to take in, behind the prefix.
    pub ingest: Vec<Filter>,
    /// Whether commands are taken in.
    pub commands: bool,
    /// The protocol's version.
    pub versions: Versions,
    /// A PEM file of the roots that vouch for the broker.
    pub ca: Option<PathBuf>,
    /// After how long a silence both sides show that they are there, in seconds.
    pub keep_alive_s: u16,
    /// Where it begins when it is new.
    pub begin: Begin,
}

impl TryFrom<LinkTable> for LinkConfig {
    type Error = ConfigError;

    fn try_from(table: LinkTable) -> Result<Self, ConfigError> {
        let name = name(table.name)?;
        let address = address(&table.url)?;
        if table.password.is_some() && table.username.is_none() {
            return Err(ConfigError::at("/username", "a password needs a username"));
        }
        if table.qos != 1 {
            let detail = "must be 1: with 0 readings would be lost, and 2 is not offered";
            return Err(ConfigError::at("/qos", detail));
        }
        if table.ca.is_some() && !address.tls {
            return Err(ConfigError::at("/ca", "is for mqtts://, this link speaks mqtt://"));
        }
        if !table.prefix.is_empty() {
            topic::check_name(&table.prefix)
                .map_err(|error| ConfigError::at("/prefix", error.to_string()))?;
            if table.prefix.starts_with('$') || table.prefix.len() > 256 {
                let detail = "must not begin with $ and may have 256 bytes at most";
                return Err(ConfigError::at("/prefix", detail));
            }
        }
        if !(2..=3600).contains(&table.keep_alive_s) {
            return Err(ConfigError::at("/keep_alive_s", "must lie between 2 and 3600"));
        }
        let begin = match table.from {
            Beginning::End => Begin::End,
            Beginning::Start => Begin::Start,
        };
        Ok(Self {
            name,
            address,
            username: table.username,
            password: table.password,
            devices: devices(&table.devices)?,
            ingest: filters(&table.ingest, &table.prefix)?,
            prefix: table.prefix,
            format: table.format,
            commands: table.commands,
            versions: versions(table.version.as_deref())?,
            ca: table.ca,
            keep_alive_s: table.keep_alive_s,
            begin,
        })
    }
}

fn name(name: String) -> Result<String, ConfigError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits) {
        Ok(name)
    } else {
        let detail = format!("must be 1 to {LONGEST_NAME} of A-Z a-z 0-9 _ -");
        Err(ConfigError::at("/name", detail))
    }
}

fn address(url: &str) -> Result<Address, ConfigError> {
    let wrong = |detail: &str| ConfigError::at("/url", detail);
    let shape = "must be mqtt://host:port or mqtts://host:port";
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(shape))?;
    let (tls, usual) = match scheme {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        "ws" | "wss" => {
            return Err(wrong("links speak TCP and TLS: use mqtt:// or mqtts://, not a WebSocket"));
        }
        _ => return Err(wrong(shape)),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err(wrong("user and password have keys of their own: username, password"));
    }
    if rest.contains(['/', '?', '#']) {
        return Err(wrong(shape));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(|| wrong(shape))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong("what stands in brackets is an IPv6 address"));
            }
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or_else(|| wrong(shape))?),
            };
            (host, port)
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
        return Err(wrong("its host must be a name or an IP address (an IPv6 one in brackets)"));
    }
    let port = match port {
        None => usual,
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(wrong("its port must be a number from 1 to 65535")),
        },
    };
    Ok(Address { host: host.to_owned(), port, tls })
}

fn devices(words: &[String]) -> Result<Devices, ConfigError> {
    if words.iter().any(|word| word == "*") {
        return if words.len() == 1 {
            Ok(Devices::All)
        } else {
            Err(ConfigError::at("/devices", "* stands alone: it means every device"))
        };
    }
    let parse = |(n, word): (usize, &String)| {
        DeviceId::parse(word)
            .map_err(|error| ConfigError::at(format!("/devices/{n}"), error.to_string()))
    };
    words.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Devices::These)
}

fn filters(words: &[String], prefix: &str) -> Result<Vec<Filter>, ConfigError> {
    if words.len() > FILTERS {
        let detail = format!("a link has {FILTERS} filters at most");
        return Err(ConfigError::at("/ingest", detail));
    }
    let parse = |(n, word): (usize, &String)| {
        let place = || format!("/ingest/{n}");
        if word.starts_with("$share/") {
            return Err(ConfigError::at(place(), "a link does not share its subscriptions"));
        }
        // What is subscribed to has the prefix before it: the two together must fit as well.
        Filter::parse(&format!("{prefix}{word}"))
            .and_then(|_| Filter::parse(word))
            .map_err(|error| ConfigError::at(place(), error.to_string()))
    };
    words.iter().enumerate().map(parse).collect()
}

fn versions(word: Option<&str>) -> Result<Versions, ConfigError> {
    match word {
        None => Ok(Versions::Either),
        Some("3.1.1" | "4") => Ok(Versions::V3),
        Some("5" | "5.0") => Ok(Versions::V5),
        Some(_) => Err(ConfigError::at("/version", "must be 3.1.1 or 5, or left out")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: serde_json::Value) -> Result<LinkConfig, String> {
        let table: LinkTable = serde_json::from_value(value).map_err(|error| error.to_string())?;
        LinkConfig::try_from(table).map_err(|error| error.to_string())
    }

    #[test]
    fn name_and_url_are_enough() {
        let link = parse(json!({"name": "up", "url": "mqtts://broker.example"})).unwrap();
        assert_eq!(link.address.to_string(), "mqtts://broker.example:8883");
        assert_eq!(link.devices, Devices::All);
        assert_eq!((link.begin, link.versions), (Begin::End, Versions::Either));
        assert!(link.ingest.is_empty() && !link.commands);
    }

    #[test]
    fn addresses_are_read_with_what_they_leave_out() {
        for (url, host, port, tls) in [
            ("mqtt://localhost", "localhost", 1883, false),
            ("mqtt://10.0.0.7:1884/", "10.0.0.7", 1884, false),
            ("mqtts://[::1]", "::1", 8883, true),
            ("mqtt://[fe80::2]:9", "fe80::2", 9, false),
        ] {
            let found = address(url).unwrap();
            assert_eq!((found.host.as_str(), found.port, found.tls), (host, port, tls), "{url}");
            assert_eq!(address(&found.to_string()).unwrap(), found, "what is shown can be read");
        }
    }

    #[test]
    fn a_wrong_link_is_told_where_and_why() {
        let with = |key: &str, value: serde_json::Value| {
            let mut table = json!({"name": "up", "url": "mqtt://h"});
            table[key] = value;
            parse(table).unwrap_err()
        };
        for (key, value, words) in [
            ("name", json!("a b"), "/name"),
            ("name", json!(""), "/name"),
            ("url", json!("h:1883"), "mqtt://host:port"),
            ("url", json!("ws://h"), "WebSocket"),
            ("url", json!("http://h"), "mqtt://host:port"),
            ("url", json!("mqtt://u:p@h"), "username, password"),
            ("url", json!("mqtt://h:0"), "1 to 65535"),
            ("url", json!("mqtt://"), "host"),
            ("url", json!("mqtt://[zz]"), "IPv6"),
            ("url", json!("mqtt://датчик"), "host"),
            ("password", json!("secret"), "/username"),
            ("qos", json!(0), "/qos"),
            ("ca", json!("ca.pem"), "/ca"),
            ("prefix", json!("a/+/"), "/prefix"),
            ("prefix", json!("$SYS/"), "/prefix"),
            ("devices", json!(["*", "a"]), "/devices"),
            ("devices", json!(["ok", "a/b"]), "/devices/1"),
            ("ingest", json!(["devices/+/data", "a#"]), "/ingest/1"),
            ("ingest", json!(["$share/g/devices/+/data"]), "/ingest/0"),
            ("version", json!("4.0"), "/version"),
            ("keep_alive_s", json!(1), "/keep_alive_s"),
            ("format", json!("xml"), "flat"),
            ("nmae", json!(1), "nmae"),
        ] {
            let error = with(key, value.clone());
            assert!(error.contains(words), "{key} {value}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let table =
            json!({"name": "up", "url": "mqtt://h", "username": "u", "password": "hunter2"});
        let link = parse(table).unwrap();
        assert!(!format!("{link:?}").contains("hunter2"));
    }
}

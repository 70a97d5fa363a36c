//! `[mqtt]`: the embedded broker, and links to other brokers, as values; and as `iot-mqtt` takes
//! them, which says what is wrong with them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use iot_core::domain::UnknownDevices;
use iot_core::port::ConfigError;
use iot_mqtt::config::{BrokerConfig, TlsFiles};
use iot_mqtt::link::config::{Beginning, Format, LinkConfig, LinkTable, Secret};
use serde::Deserialize;

use super::fault::{Fault, Place};
use super::value::{Bytes, Listen, addresses_if_any, number, size};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// More than a password has; a file that is larger is another one.
const PASSWORD: u64 = 4 << 10;

/// The embedded broker, and links to others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mqtt {
    pub(crate) listen: Listen,
    pub(crate) plain_beyond_loopback: bool,
    #[serde(deserialize_with = "addresses_if_any")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) websocket: Listen,
    pub(crate) local_commands: bool,
    pub(crate) unknown_devices: Option<UnknownDevices>,
    #[serde(deserialize_with = "size::<_, KIB, { 256 * MIB }>")]
    pub(crate) max_message: Bytes,
    #[serde(deserialize_with = "number::<_, 1, 100_000>")]
    pub(crate) max_clients: u32,
    #[serde(deserialize_with = "number::<_, 1, 1_000_000>")]
    pub(crate) max_rate: u32,
    pub(crate) link: Vec<Link>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            listen: Listen::On(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))]),
            plain_beyond_loopback: false,
            listen_tls: Vec::new(),
            tls_cert: None,
            tls_key: None,
            websocket: Listen::Off,
            local_commands: true,
            unknown_devices: None,
            max_message: Bytes(MIB),
            max_clients: 1_000,
            max_rate: 5_000,
            link: Vec::new(),
        }
    }
}

/// A link to another broker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(default = "half_a_minute")]
    pub(crate) keep_alive_s: u16,
    #[serde(default)]
    pub(crate) version: Version,
    #[serde(default = "every_device")]
    pub(crate) devices: Vec<String>,
    #[serde(default)]
    pub(crate) from: Beginning,
    #[serde(default)]
    pub(crate) prefix: String,
    #[serde(default = "at_least_once")]
    pub(crate) qos: u8,
    #[serde(default)]
    pub(crate) format: Format,
    #[serde(default)]
    pub(crate) ingest: Vec<String>,
    #[serde(default)]
    pub(crate) commands: bool,
}

fn every_device() -> Vec<String> {
    vec!["*".to_owned()]
}

fn half_a_minute() -> u16 {
    30
}

fn at_least_once() -> u8 {
    1
}

/// The version of the protocol that a link speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Version {
    /// 5, and 3.1.1 with a broker that does not know 5.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "3.1.1")]
    V3,
    #[serde(rename = "5")]
    V5,
}

impl Mqtt {
    /// The embedded broker as `iot-mqtt` takes it, with the sites that may use the API; none where it
    /// is off.
    pub(crate) fn broker(&self, origins: &[String]) -> Result<Option<BrokerConfig>, ConfigError> {
        let Listen::On(listen) = &self.listen else { return Ok(None) };
        let websocket = match &self.websocket {
            Listen::Off => Vec::new(),
            Listen::On(addresses) => addresses.clone(),
        };
        if listen.is_empty() && self.listen_tls.is_empty() && websocket.is_empty() {
            let detail = "must name at least one address, or be \"off\" for no embedded broker";
            return Err(ConfigError::at("/listen", detail));
        }
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::at("/tls_key", "is missing; tls_cert needs its key"));
            }
            (None, Some(_)) => {
                return Err(ConfigError::at("/tls_cert", "is missing; tls_key is of no use alone"));
            }
        };
        let broker = BrokerConfig {
            listen: listen.clone(),
            listen_tls: self.listen_tls.clone(),
            tls,
            websocket,
            origins: origins.to_vec(),
            plain_beyond_loopback: self.plain_beyond_loopback,
            local_commands: self.local_commands,
            // At most 256 MiB, so that it fits.
            max_message: u32::try_from(self.max_message.0).unwrap_or(u32::MAX),
            max_clients: usize::try_from(self.max_clients).unwrap_or(usize::MAX),
            max_rate: self.max_rate,
        };
        broker.validate()?;
        Ok(Some(broker))
    }
}

impl Link {
    /// The link as `iot-mqtt` takes it, without its password.
    pub(crate) fn table(&self) -> LinkTable {
        LinkTable {
            name: self.name.clone(),
            url: self.url.clone(),
            username: self.username.clone(),
            password: None,
            devices: self.devices.clone(),
            prefix: self.prefix.clone(),
            qos: self.qos,
            format: self.format,
            ingest: self.ingest.clone(),
            commands: self.commands,
            version: match self.version {
                Version::Auto => None,
                Version::V3 => Some("3.1.1".to_owned()),
                Version::V5 => Some("5".to_owned()),
            },
            ca: self.ca_file.clone(),
            keep_alive_s: self.keep_alive_s,
            from: self.from,
        }
    }

    /// What is wrong with it, and at which key.
    fn check(&self) -> Result<(), String> {
        if self.devices.is_empty() {
            return Err("devices: must name at least one device, or \"*\" for all".to_owned());
        }
        if self.password_file.is_some() && self.username.is_none() {
            return Err("password_file: a password needs a username".to_owned());
        }
        let checked = LinkConfig::try_from(self.table());
        checked.map(drop).map_err(|e| format!("{}: {}", spelled(&e.pointer), e.detail))
    }

    /// The link as it is run, its password read from its file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no password, in a sentence that names it.
    pub(crate) fn with_password(&self) -> Result<LinkConfig, Fault> {
        let fault = |key: &str, what: String| {
            Fault::anywhere(format!("[[mqtt.link]] {}: {key}", self.name), what)
        };
        let mut table = self.table();
        if let Some(path) = &self.password_file {
            let wrong = |what: String| fault("password_file", format!("{} {what}", path.display()));
            let size =
                std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
            if size.len() > PASSWORD {
                return Err(wrong(format!("holds more than {PASSWORD} bytes, so no password")));
            }
            let text =
                std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
            let password = text.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(wrong("holds no password".to_owned()));
            }
            table.password = Some(Secret(password.to_owned()));
        }
        LinkConfig::try_from(table).map_err(|e| fault(&spelled(&e.pointer), e.detail))
    }
}

/// A place within a link's table as the file spells it: `/ingest/1` is `ingest[1]`.
fn spelled(pointer: &str) -> String {
    let mut levels = pointer.split('/').skip(1);
    let key = match levels.next().unwrap_or_default() {
        "ca" => "ca_file",
        "password" => "password_file",
        key => key,
    };
    levels.fold(key.to_owned(), |key, level| format!("{key}[{level}]"))
}

/// Checks the embedded broker and the links. Touches no file and no port.
pub(super) fn check(mqtt: &Mqtt, file: &Place) -> Result<(), Fault> {
    mqtt.broker(&[]).map_err(|error| {
        let key = format!("mqtt{}", error.pointer.replace('/', "."));
        Fault::anywhere(key, error.detail)
    })?;
    let mut names = BTreeSet::new();
    for link in &mqtt.link {
        let at = format!("[[mqtt.link]] {}", link.name);
        let fault = |what: String| Fault::new(file.clone(), at.as_str(), what);
        link.check().map_err(fault)?;
        if !names.insert(link.name.as_str()) {
            return Err(fault("there are two links of this name".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file;
    use crate::config::model::Config;

    fn mqtt(text: &str) -> Mqtt {
        let table = file::parse(text, Path::new("iot.toml")).unwrap();
        let config: Config = table.try_into().unwrap();
        config.mqtt
    }

    fn fault(text: &str) -> String {
        check(&mqtt(text), &Place::Anywhere).unwrap_err().to_string()
    }

    fn link(more: &str) -> String {
        format!("[[mqtt.link]]\nname = \"up\"\nurl = \"mqtts://h\"\n{more}\n")
    }

    #[test]
    fn the_brokers_defaults_are_those_of_its_crate() {
        let broker = Mqtt::default().broker(&[]).unwrap().unwrap();
        let listen = vec!["127.0.0.1:1883".parse().unwrap()];
        assert_eq!(broker, BrokerConfig { listen, ..BrokerConfig::default() });
        let off = mqtt("[mqtt]\nlisten = \"off\"\nlisten_tls = [\"0.0.0.0:8883\"]\n");
        assert_eq!(off.broker(&[]), Ok(None), "off is off, whatever else is written");
    }

    #[test]
    fn a_broker_of_tls_alone_needs_its_files() {
        let tls = "[mqtt]\nlisten = []\nlisten_tls = [\"0.0.0.0:8883\"]\n";
        let files = "tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
        let broker = mqtt(&format!("{tls}{files}")).broker(&[]).unwrap().unwrap();
        assert!(broker.listen.is_empty() && broker.tls.is_some());
        assert!(fault(tls).starts_with("mqtt.listen_tls: needs tls_cert and tls_key"));
        let half = fault(&format!("{tls}tls_cert = \"cert.pem\"\n"));
        assert!(half.starts_with("mqtt.tls_key: is missing"), "{half}");
        let half = fault(&format!("{tls}tls_key = \"key.pem\"\n"));
        assert!(half.starts_with("mqtt.tls_cert: is missing"), "{half}");
    }

    #[test]
    fn plain_text_beyond_this_machine_must_be_wanted() {
        for key in ["listen", "websocket"] {
            let text = format!("[mqtt]\n{key} = [\"0.0.0.0:1884\"]\n");
            let said = fault(&text);
            assert!(said.starts_with(&format!("mqtt.{key}.0: ")), "{said}");
            assert!(said.contains("plain_beyond_loopback = true"), "{said}");
            let wanted = mqtt(&format!("{text}plain_beyond_loopback = true\n"));
            assert_eq!(check(&wanted, &Place::Anywhere), Ok(()));
        }
        assert!(fault("[mqtt]\nlisten = []\n").contains("or be \"off\""));
    }

    #[test]
    fn a_link_is_told_which_of_its_keys_is_wrong() {
        for more in [
            "",
            "username = \"gw1\"\npassword_file = \"/run/secrets/up\"\nca_file = \"ca.pem\"",
            "version = \"3.1.1\"\nfrom = \"start\"\ndevices = [\"attic\"]\nprefix = \"site/7/\"",
            "version = \"auto\"\ningest = [\"devices/+/data\"]\ncommands = true",
        ] {
            assert_eq!(check(&mqtt(&link(more)), &Place::Anywhere), Ok(()), "{more}");
        }
        for (more, said) in [
            ("qos = 3", "qos: "),
            ("password_file = \"x\"", "password_file: a password needs a username"),
            ("devices = []", "devices: must name at least one"),
            ("devices = [\"a/b\"]", "devices[0]: "),
            ("ingest = [\"devices/+/data\", \"devices/#/data\"]", "ingest[1]: "),
            ("prefix = \"a/+/\"", "prefix: "),
        ] {
            let fault = fault(&link(more));
            assert!(fault.starts_with(&format!("[[mqtt.link]] up: {said}")), "{more}: {fault}");
        }
        let plain = link("ca_file = \"x\"").replace("mqtts:", "mqtt:");
        assert!(fault(&plain).starts_with("[[mqtt.link]] up: ca_file: "), "{}", fault(&plain));
        for url in ["h:1883", "http://h", "mqtt://", "mqtt:///x", "mqtt://me:secret@h"] {
            let said = fault(&link("").replace("mqtts://h", url));
            assert!(said.starts_with("[[mqtt.link]] up: url: "), "{url}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let twice = format!("{}{}", link(""), link(""));
        assert!(fault(&twice).contains("two links of this name"));
        let unnamed = link("").replace("\"up\"", "\"a b\"");
        assert!(fault(&unnamed).contains("name: must be 1 to 32"), "{}", fault(&unnamed));
    }

    #[test]
    fn words_that_a_key_does_not_know_are_told_with_those_it_does() {
        for (more, known) in [
            ("version = \"4\"", "`3.1.1`"),
            ("from = \"now\"", "`start`"),
            ("format = \"x\"", "`flat`"),
        ] {
            let error = file::parse(&link(more), Path::new("iot.toml")).unwrap_err().to_string();
            assert!(error.contains("line 4") && error.contains(known), "{error}");
        }
        let error = file::parse(&link("pasword_file = \"x\""), Path::new("x")).unwrap_err();
        assert!(error.to_string().contains("mqtt.link[0].password_file?"), "{error}");
    }

    #[test]
    fn a_password_is_read_without_the_line_end_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("up");
        let named = |path: &Path| {
            let path = path.display();
            let more = format!("username = \"gw1\"\npassword_file = \"{path}\"");
            mqtt(&link(&more)).link[0].with_password()
        };
        std::fs::write(&path, " pass word\r\n").unwrap();
        assert_eq!(named(&path).unwrap().password, Some(Secret(" pass word".to_owned())));
        std::fs::write(&path, "\n").unwrap();
        let empty = named(&path).unwrap_err().to_string();
        assert!(empty.starts_with("[[mqtt.link]] up: password_file: "), "{empty}");
        std::fs::write(&path, vec![b'x'; 5_000]).unwrap();
        assert!(named(&path).unwrap_err().to_string().contains("so no password"));
        assert!(named(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
        assert_eq!(mqtt(&link("")).link[0].with_password().unwrap().password, None);
    }
}

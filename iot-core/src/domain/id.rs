//! Identities: each noun has a type of its own, made only by parsing.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text is not an identity of the wanted sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} {why}")]
pub struct IdError {
    /// The noun, as a person knows it: `device_id`, `sensor key`.
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What is wrong with it and what would be right.
    pub why: &'static str,
}

impl IdError {
    fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), why }
    }
}

fn word(text: &str, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len()) && first(bytes[0]) && bytes[1..].iter().all(|b| rest(*b))
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $check:expr, $why:literal, $pattern:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is, or says what is wrong with it.
            ///
            /// # Errors
            /// When the text does not fit the rule of this identity.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(IdError::new($what, text, $why)) }
            }

            /// The identity as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> { Self::parse(&text) }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self { id.0.as_ref().to_owned() }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { Self::parse(text) }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}

text_ids! {
    /// A device's identity: given at first sight, never changed or reused, compared exactly.
    DeviceId, "device_id",
        |t| word(t, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "must be 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
    /// A sensor's key within its device. `ts`, `values` and `time` mean something else in payloads.
    SensorKey, "sensor key",
        |t| word(t, |b| b.is_ascii_alphabetic(), |b| b.is_ascii_alphanumeric() || b == b'_')
            && !matches!(t, "ts" | "values" | "time"),
        "must be 1 to 64 of A-Z a-z 0-9 _, begin with a letter and be none of ts, values and time",
        "^[A-Za-z][A-Za-z0-9_]{0,63}$";
    /// The name of an instance: one running plugin with its own configuration.
    InstanceName, "instance name",
        |t| word(t, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "must be 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
    /// The name of a link to another broker.
    /// It stands in a client id, which some brokers keep short.
    LinkName, "link name",
        |t| (1..=32).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "must be 1 to 32 of A-Z a-z 0-9 _ -",
        "^[A-Za-z0-9_-]{1,32}$";
    /// The name of a plugin kind: `host`, `w1`.
    KindName, "plugin kind",
        |t| word(t, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "must be 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
    /// The gateway's identity, in topics and in the cookie's name.
    GatewayId, "gateway id",
        |t| word(t, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "must be 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
    /// A command's identity: the sender's own, or one the gateway makes (UUID version 7).
    CommandId, "command id",
        |t| word(t, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':')),
        "must be 1 to 64 of A-Z a-z 0-9 _ - . : and begin with a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$";
}

impl DeviceId {
    /// Maps an identity that hardware or another dialect brings: characters that do not fit become
    /// `_`, and 8 hex digits of the original's SHA-256 are added when anything was changed, so that
    /// two originals never meet in one id. The caller keeps the original as an attribute.
    #[must_use]
    pub fn from_hardware(original: &str) -> Self {
        if let Ok(id) = Self::parse(original) {
            return id;
        }
        let digest = Sha256::digest(original.as_bytes());
        let mut text: String = original
            .chars()
            .take(55)
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
            .collect();
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            text.insert(0, 'd');
            text.truncate(55);
        }
        text.push('_');
        for byte in &digest[..4] {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text.into())
    }
}

impl CommandId {
    /// A fresh identity, ordered by the time it was made.
    #[must_use]
    pub fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

/// `device_id.key`: the identity of one measured quantity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SensorId {
    /// The device it belongs to.
    pub device: DeviceId,
    /// Its key within the device.
    pub key: SensorKey,
}

impl SensorId {
    /// Reads `device_id.key`.
    ///
    /// # Errors
    /// When there is no dot, or one of the two parts does not fit its rule.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (device, key) = text
            .split_once('.')
            .ok_or_else(|| IdError::new("sensor_id", text, "must be device_id.key"))?;
        Ok(Self { device: DeviceId::parse(device)?, key: SensorKey::parse(key)? })
    }
}

impl fmt::Display for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.device, self.key)
    }
}
impl fmt::Debug for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
impl TryFrom<String> for SensorId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}
impl From<SensorId> for String {
    fn from(id: SensorId) -> Self {
        id.to_string()
    }
}
impl std::str::FromStr for SensorId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

/// The place of a reading in the log. The first reading ever has 1; 0 stands before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place `readings` further on.
    #[must_use]
    pub fn plus(self, readings: u64) -> Self {
        Self(self.0 + readings)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_300_characters_is_refused_with_its_rule() {
        let error = DeviceId::parse(&"a".repeat(300)).unwrap_err();
        assert!(error.to_string().contains("1 to 64"), "{error}");
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn wildcards_nul_slashes_and_foreign_letters_are_no_device_id() {
        for bad in ["", "+", "#", "a/b", "$SYS", "a\0", "..", "-a", "_a", "датчик", "a%2Fb", "a／b"]
        {
            assert!(DeviceId::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "28-0316a2795fff", "Attic_1", "0"] {
            assert!(DeviceId::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn hardware_identities_map_without_meeting() {
        let a = DeviceId::from_hardware("sensor/1");
        let b = DeviceId::from_hardware("sensor:1");
        assert_ne!(a, b);
        assert!(a.as_str().starts_with("sensor_1_"));
        assert_eq!(DeviceId::from_hardware("28-0316a2795fff").as_str(), "28-0316a2795fff");
        let long = DeviceId::from_hardware(&"датчик/".repeat(40));
        assert!(DeviceId::parse(long.as_str()).is_ok(), "{long}");
    }
}

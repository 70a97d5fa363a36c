//! The topics of the gateway, and how a filter matches one.
//!
//! Matching follows MQTT 5, 4.7: `+` stands for one level, `#` for the rest and its parent, and a
//! filter that begins with a wildcard matches no topic that begins with `$`. It works on levels, so
//! no text can make it slice inside a character.

use std::fmt;

use iot_core::domain::{DeviceId, IdError};

/// The longest topic or filter that is taken, in bytes; the protocol allows 65,535.
pub const LONGEST: usize = 1_024;
/// The most levels that are taken: matching walks them.
pub const LEVELS: usize = 64;

/// What one of a device's topics is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `devices/{device_id}/data`: readings.
    Data,
    /// `devices/{device_id}/status`: `online` or `offline`, retained.
    Status,
    /// `devices/{device_id}/info`: the device as in REST, retained.
    Info,
    /// `devices/{device_id}/commands`: commands to it.
    Commands,
    /// `devices/{device_id}/commands/result`: what became of them.
    Result,
}

impl Purpose {
    /// What follows the device in the topic.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Status => "status",
            Self::Info => "info",
            Self::Commands => "commands",
            Self::Result => "commands/result",
        }
    }

    /// This topic of a device.
    #[must_use]
    pub fn of(self, device: &DeviceId) -> String {
        format!("devices/{device}/{}", self.suffix())
    }
}

/// A topic as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// One of a device's topics.
    Device(DeviceId, Purpose),
    /// One that would be a device's, had it a name that fits.
    BadDevice(IdError),
    /// Any other.
    Other,
}

impl Topic {
    /// Reads a topic's name, without a link's prefix.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let Some(rest) = name.strip_prefix("devices/") else { return Self::Other };
        let Some((device, suffix)) = rest.split_once('/') else { return Self::Other };
        let purpose = match suffix {
            "data" => Purpose::Data,
            "status" => Purpose::Status,
            "info" => Purpose::Info,
            "commands" => Purpose::Commands,
            "commands/result" => Purpose::Result,
            _ => return Self::Other,
        };
        match DeviceId::parse(device) {
            Ok(device) => Self::Device(device, purpose),
            Err(error) => Self::BadDevice(error),
        }
    }
}

/// Whether the answer to a command may go to this topic, under a link's prefix: a sender must not
/// have the gateway speak for somebody else, as by a command or a reading.
pub(crate) fn may_answer_at(prefix: &str, name: &str) -> bool {
    let own = name.strip_prefix(prefix).unwrap_or(name);
    check_name(name).is_ok()
        && !name.starts_with('$')
        && !own.starts_with("gateways/")
        && matches!(Topic::parse(own), Topic::Other | Topic::Device(_, Purpose::Result))
}

/// Where a gateway says whether it is there: `gateways/{gateway_id}/status`.
#[must_use]
pub fn gateway_status(gateway: &iot_core::domain::GatewayId) -> String {
    format!("gateways/{gateway}/status")
}

/// Why a topic or filter is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It has no character.
    #[error("a topic must not be empty")]
    Empty,
    /// It is longer than is taken.
    #[error("a topic may have {LONGEST} bytes at most")]
    TooLong,
    /// It has more levels than are taken.
    #[error("a topic may have {LEVELS} levels at most")]
    TooDeep,
    /// It holds U+0000.
    #[error("a topic must not hold the character U+0000")]
    Nul,
    /// A name holds a wildcard.
    #[error("a topic's name must not hold the wildcards + and #")]
    Wildcard,
    /// A filter's wildcard shares its level, or `#` is not the last.
    #[error("a filter's wildcard stands alone in its level, and # is the last")]
    Misplaced,
}

fn check(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > LONGEST {
        return Err(TopicError::TooLong);
    }
    if text.contains('\0') {
        return Err(TopicError::Nul);
    }
    if text.bytes().filter(|b| *b == b'/').count() >= LEVELS {
        return Err(TopicError::TooDeep);
    }
    Ok(())
}

/// Whether something can be published to a topic of this name.
///
/// # Errors
/// Why not.
pub fn check_name(name: &str) -> Result<(), TopicError> {
    check(name)?;
    if name.contains(['+', '#']) { Err(TopicError::Wildcard) } else { Ok(()) }
}

/// A filter of topics, checked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter(Box<str>);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({:?})", self.0)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let alone = level == "+" || (level == "#" && levels.peek().is_none());
            if level.contains(['+', '#']) && !alone {
                return Err(TopicError::Misplaced);
            }
        }
        Ok(Self(text.into()))
    }

    /// The filter as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic of this name passes.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut filter = self.0.split('/');
        if name.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = name.split('/');
        loop {
            match (filter.next(), levels.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let yes = [
            ("#", "a/b"),
            ("sport/#", "sport"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("$SYS/#", "$SYS/x"),
            ("+/1", "датчик/1"),
            ("a//b", "a//b"),
        ];
        for (filter, name) in yes {
            assert!(Filter::parse(filter).unwrap().matches(name), "{filter} {name}");
        }
        let no = [("+", "/finance"), ("sport/+", "sport"), ("#", "$SYS/x"), ("+/x", "$SYS/x")];
        for (filter, name) in no {
            assert!(!Filter::parse(filter).unwrap().matches(name), "{filter} {name}");
        }
    }

    #[test]
    fn what_is_no_topic_is_told_why() {
        assert_eq!(check_name("a/+/b"), Err(TopicError::Wildcard));
        assert_eq!(check_name(""), Err(TopicError::Empty));
        assert_eq!(check_name("a\0b"), Err(TopicError::Nul));
        assert_eq!(check_name(&"/".repeat(64)), Err(TopicError::TooDeep));
        for bad in ["a+/b", "#/a", "a/#b", "a#"] {
            assert_eq!(Filter::parse(bad), Err(TopicError::Misplaced), "{bad}");
        }
    }

    #[test]
    fn a_devices_topic_names_its_device_or_says_why_it_names_none() {
        let attic = DeviceId::parse("attic").unwrap();
        for purpose in [Purpose::Data, Purpose::Status, Purpose::Commands, Purpose::Result] {
            let parsed = Topic::parse(&purpose.of(&attic));
            assert_eq!(parsed, Topic::Device(attic.clone(), purpose));
        }
        assert!(matches!(Topic::parse("devices//data"), Topic::BadDevice(_)));
        assert!(matches!(Topic::parse("devices/a b/data"), Topic::BadDevice(_)));
        assert_eq!(Topic::parse("devices/a/b/data"), Topic::Other);
        assert_eq!(Topic::parse("home/a/data"), Topic::Other);
    }

    #[test]
    fn a_sender_cannot_have_the_gateway_speak_for_others() {
        for topic in ["replies/7", "x", "site/devices/a/commands/result"] {
            assert!(may_answer_at("site/", topic), "{topic}");
        }
        for topic in [
            "",
            "a/+",
            "$SYS/x",
            "site/devices/a/commands",
            "site/devices/a/data",
            "devices/a/status",
            "site/devices/a b/data",
            "gateways/x/status",
        ] {
            assert!(!may_answer_at("site/", topic), "{topic}");
        }
    }
}

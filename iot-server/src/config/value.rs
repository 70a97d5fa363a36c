//! Values with a spelling of their own: sizes, addresses, lists of them.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// A number of bytes: a whole number, or a text as `8GiB`, `512MiB`, `1GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl Bytes {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
            .unwrap_or((text, 1));
        let count: u64 = digits.trim_end().parse().ok()?;
        count.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        match UNITS[..4].iter().rev().find(|(_, factor)| whole(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// Reads a size that lies within bounds, both included.
pub(crate) fn size<'de, D: Deserializer<'de>, const LEAST: u64, const MOST: u64>(
    d: D,
) -> Result<Bytes, D::Error> {
    let bytes = Bytes::deserialize(d)?;
    if (LEAST..=MOST).contains(&bytes.0) {
        return Ok(bytes);
    }
    let (least, most) = (Bytes(LEAST), Bytes(MOST));
    Err(de::Error::custom(if MOST == u64::MAX {
        format!("must be {least} or more, not {bytes}")
    } else {
        format!("must be from {least} to {most}, not {bytes}")
    }))
}

/// Reads a size that may be missing, and lies within bounds where it is there.
pub(crate) fn size_if_any<'de, D: Deserializer<'de>, const LEAST: u64, const MOST: u64>(
    d: D,
) -> Result<Option<Bytes>, D::Error> {
    size::<D, LEAST, MOST>(d).map(Some)
}

/// Reads a whole number that lies within bounds, both included.
pub(crate) fn number<'de, D: Deserializer<'de>, const LEAST: u32, const MOST: u32>(
    d: D,
) -> Result<u32, D::Error> {
    let number = i64::deserialize(d)?;
    u32::try_from(number)
        .ok()
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| de::Error::custom(format!("must be from {LEAST} to {MOST}, not {number}")))
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Size;
        impl Visitor<'_> for Size {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, as \"8GiB\" or \"512MiB\", or a number of bytes")
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Bytes, E> {
                u64::try_from(bytes)
                    .map(Bytes)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Bytes::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        d.deserialize_any(Size)
    }
}

/// Reads an address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        format!("{text:?} is no address to listen on, as \"127.0.0.1:8080\" or \"[::]:8080\"")
    })
}

/// Where to listen: some addresses, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Not at all.
    Off,
    /// On each of these.
    On(Vec<SocketAddr>),
}

impl Listen {
    /// Reads `off`, or addresses with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.split(',').map(address).collect::<Result<_, _>>().map(Self::On)
    }
}

impl std::str::FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

struct ListenVisitor;

impl<'de> Visitor<'de> for ListenVisitor {
    type Value = Listen;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses, as [\"127.0.0.1:1883\"], or \"off\"")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
        Listen::parse(text).map_err(E::custom)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listen, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            addresses.push(address(&text).map_err(de::Error::custom)?);
        }
        Ok(Listen::On(addresses))
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ListenVisitor)
    }
}

/// A list of addresses that may be empty.
pub(crate) fn addresses_if_any<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Vec<SocketAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(d)?;
    texts.iter().map(|text| address(text).map_err(de::Error::custom)).collect()
}

/// A list of addresses that is not empty.
pub(crate) fn addresses<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<SocketAddr>, D::Error> {
    match Listen::deserialize(d)? {
        Listen::On(addresses) if !addresses.is_empty() => Ok(addresses),
        _ => Err(de::Error::custom("must name at least one address, as [\"127.0.0.1:8080\"]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit_and_nothing_else_is() {
        for (text, bytes) in
            [("8GiB", 8 << 30), ("512 MiB", 512 << 20), ("1GB", 1_000_000_000), ("7", 7), ("7B", 7)]
        {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "GiB", "8Gib", "-1", "1.5GiB", "99999999999TiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
        for text in ["0B", "1KiB", "1025B", "1536MiB", "8GiB", "1TiB"] {
            assert_eq!(Bytes::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_need_a_port() {
        assert_eq!(Listen::parse("off"), Ok(Listen::Off));
        let two = Listen::parse("127.0.0.1:1,[::1]:2").unwrap();
        assert!(matches!(two, Listen::On(a) if a.len() == 2));
        for text in ["", "8080", "127.0.0.1", "example:80", "127.0.0.1:99999"] {
            assert!(Listen::parse(text).is_err(), "{text}");
        }
    }
}

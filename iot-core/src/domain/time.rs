//! Instants: UTC, microseconds inside, epoch milliseconds or RFC 3339 outside.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time {text:?} is neither epoch milliseconds nor RFC 3339 (2025-11-14T20:00:00Z)")]
pub struct TimeError {
    text: String,
}

/// The years that fit RFC 3339: 0001 to 9999. Everything outside is refused at the edge.
const EARLIEST_MS: i64 = -62_135_596_800_000;
const LATEST_MS: i64 = 253_402_300_799_000;

impl Timestamp {
    /// The first instant that can be written.
    pub const MIN: Self = Self(EARLIEST_MS * 1000);
    /// The last instant that can be written.
    pub const MAX: Self = Self(LATEST_MS * 1000);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// From milliseconds since the epoch, held within the writable range.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        let ms = if ms < EARLIEST_MS { EARLIEST_MS } else { ms };
        Self((if ms > LATEST_MS { LATEST_MS } else { ms }) * 1000)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Rounded to the nearest millisecond: what the gateway stamps itself is, for microsecond
    /// jitter does not compress.
    #[must_use]
    pub const fn rounded_to_millis(self) -> Self {
        Self((self.0 + 500).div_euclid(1000) * 1000)
    }

    /// This instant and `d` more, held within the writable range.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        let us = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(us).min(Self::MAX.0))
    }

    /// This instant less `d`, held within the writable range.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        let us = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(us).max(Self::MIN.0))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads epoch milliseconds or RFC 3339.
    ///
    /// # Errors
    /// When the text is neither, or lies outside the years 1 to 9999.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError { text: text.chars().take(80).collect() };
        if let Ok(ms) = text.parse::<i64>() {
            return if (EARLIEST_MS..=LATEST_MS).contains(&ms) {
                Ok(Self(ms * 1000))
            } else {
                Err(error())
            };
        }
        let at: jiff::Timestamp = text.parse().map_err(|_| error())?;
        Ok(Self(at.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => at.fmt(f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Outside, an instant is a whole number of epoch milliseconds.
impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.as_millis())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl serde::de::Visitor<'_> for Either {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("epoch milliseconds or an RFC 3339 time")
            }
            fn visit_i64<E: serde::de::Error>(self, ms: i64) -> Result<Timestamp, E> {
                Timestamp::parse(&ms.to_string()).map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, ms: u64) -> Result<Timestamp, E> {
                Timestamp::parse(&ms.to_string()).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::parse(text).map_err(E::custom)
            }
        }
        d.deserialize_any(Either)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "format": "int64", "description": "epoch milliseconds, UTC"})
    }
}

/// A half-open stretch of time, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first instant inside.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { from: Timestamp::MIN, to: Timestamp::MAX };

    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// One run of the operating system: a random number drawn when the process starts, for a reading
/// taken before the clock was set is only comparable with others of the same boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub u32);

/// How far a reading's time can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeQuality {
    /// Stamped by a gateway whose clock was set.
    #[default]
    Synced,
    /// Stamped before the clock was set; boot and monotonic microseconds allow its correction.
    Unsynced {
        /// The run of the system it belongs to.
        boot: BootId,
        /// Monotonic microseconds since that run's start.
        monotonic_us: i64,
    },
    /// The device's own time.
    Device,
    /// The device sent a time that cannot be; the time is that of arrival.
    Suspect,
}

impl TimeQuality {
    /// The word outside, or nothing where it is left out.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Synced => None,
            Self::Unsynced { .. } => Some("unsynced"),
            Self::Device => Some("device"),
            Self::Suspect => Some("suspect"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_nothing_else() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(Timestamp::parse("1700000000123"), Ok(at));
        assert_eq!(Timestamp::parse("2023-11-14T22:13:20.123Z"), Ok(at));
        assert_eq!(Timestamp::parse("2023-11-15T01:13:20.123+03:00"), Ok(at));
        for bad in ["", "yesterday", "1e3", "2023-11-14", "99999999999999999999", "NaN"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn milliseconds_before_1970_round_down() {
        assert_eq!(Timestamp::from_micros(-1).as_millis(), -1);
        assert_eq!(Timestamp::from_micros(1_499).rounded_to_millis().as_micros(), 1_000);
        assert_eq!(Timestamp::from_micros(1_500).rounded_to_millis().as_micros(), 2_000);
    }
}

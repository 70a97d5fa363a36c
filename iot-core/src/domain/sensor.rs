//! Sensors: one measured quantity of one device.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceNo, SensorId, SensorKey, ValueType};

/// A sensor's number in the store: small, never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct SensorNo(pub u32);

/// A straight line laid over what the hardware says, from the moment it is set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added after the factor, in the sensor's unit.
    #[serde(default)]
    pub offset: f64,
}

fn one() -> f64 {
    1.0
}

/// A sensor as the gateway knows it. Immutable: a change makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Its number in the store.
    pub no: SensorNo,
    /// The number of its device.
    pub device_no: DeviceNo,
    /// Its identity.
    pub id: SensorId,
    /// A name for people; the key where nobody gave one.
    pub name: Option<String>,
    /// What its values are.
    pub value_type: ValueType,
    /// The unit of its values, a UCUM code (`Cel`, `%`, `hPa`, `W`, `1`).
    pub unit: Option<String>,
    /// The unit as a person wants to read it.
    pub display_unit: Option<String>,
    /// Decimals to show.
    pub precision: Option<u8>,
    /// What it measures, for icons and words: `temperature`, `door`, `counter`.
    pub class: Option<String>,
    /// The smallest step that the hardware can tell; values are rounded to it.
    pub resolution: Option<f64>,
    /// Laid over each value that arrives.
    pub calibration: Option<Calibration>,
    /// How long readings are kept, in days; none for the gateway's default.
    pub retention_days: Option<u32>,
}

impl Sensor {
    /// The value as it is to be stored: calibrated, then rounded to the declared resolution.
    #[must_use]
    pub fn adjust(&self, value: f64) -> f64 {
        let value = match self.calibration {
            Some(c) => value * c.scale + c.offset,
            None => value,
        };
        match self.resolution {
            Some(step) if step > 0.0 => round_to(value, step),
            _ => value,
        }
    }
}

/// Rounds so that the result is the double nearest to the decimal a person would write: dividing
/// by a whole number keeps 21.4 where multiplying by 0.1 would give 21.400000000000002.
fn round_to(value: f64, step: f64) -> f64 {
    let inverse = (1.0 / step).round();
    let rounded = if inverse >= 1.0 && (1.0 / inverse - step).abs() < step * 1e-9 {
        (value * inverse).round() / inverse
    } else {
        (value / step).round() * step
    };
    if rounded.is_finite() { rounded } else { value }
}

/// A sensor as a plugin announces it.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorSpec {
    /// Its key within the device.
    pub key: SensorKey,
    /// A name for people.
    pub name: Option<String>,
    /// What its values are.
    pub value_type: ValueType,
    /// A UCUM code.
    pub unit: Option<String>,
    /// Decimals to show.
    pub precision: Option<u8>,
    /// What it measures.
    pub class: Option<String>,
    /// The smallest step that the hardware can tell.
    pub resolution: Option<f64>,
}

impl SensorSpec {
    /// A number with a unit (a UCUM code).
    #[must_use]
    pub fn number(key: SensorKey, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..Self::of(key, ValueType::Number) }
    }

    /// A sensor of a type, with nothing else known.
    #[must_use]
    pub fn of(key: SensorKey, value_type: ValueType) -> Self {
        Self {
            key,
            name: None,
            value_type,
            unit: None,
            precision: None,
            class: None,
            resolution: None,
        }
    }

    /// The same, with a name for people.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The same, with a class.
    #[must_use]
    pub fn class(mut self, class: &str) -> Self {
        self.class = Some(class.to_owned());
        self
    }

    /// The same, with the hardware's smallest step and the decimals that show it.
    #[must_use]
    pub fn resolution(mut self, step: f64, precision: u8) -> Self {
        self.resolution = Some(step);
        self.precision = Some(precision);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_gives_the_decimal_a_person_would_write() {
        assert_eq!(round_to(21.43, 0.1), 21.4);
        assert_eq!(round_to(0.30000000000000004, 0.1), 0.3);
        assert_eq!(round_to(-0.0624, 0.0625), -0.0625);
        assert_eq!(round_to(1234.0, 5.0), 1235.0);
        assert_eq!(round_to(f64::MAX, 0.001), f64::MAX);
    }
}

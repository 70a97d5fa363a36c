//! A sensor and what it measured, as one poll finds them.

use iot_core::domain::SensorSpec;

use super::key;

/// One sensor and its value, or why there is none.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) spec: SensorSpec,
    pub(super) value: Result<f64, String>,
}

/// What a poll has found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Measured>);

impl Findings {
    /// Adds a sensor: its key, name and form, and what it measured.
    pub(super) fn add(&mut self, key: &str, name: &str, form: Form, value: Result<f64, String>) {
        // A key that does not fit would be a fault of this plugin's own mapping; its tests look.
        if let Some(key) = key::key(key) {
            let spec = SensorSpec::number(key, form.unit)
                .named(name)
                .class(form.class)
                .resolution(form.step, form.decimals);
            self.0.push(Measured { spec, value });
        }
    }
}

/// Unit, class and the smallest step that says something; a float's noise beyond it costs bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    unit: &'static str,
    class: &'static str,
    step: f64,
    decimals: u8,
}

impl Form {
    /// A share of the whole.
    pub(super) const PERCENT: Self = Self::new("%", "load", 0.1, 1);
    /// Processes that run or wait.
    pub(super) const LOAD: Self = Self::new("1", "load", 0.01, 2);
    /// Memory or disk, in bytes.
    pub(super) const BYTES: Self = Self::new("By", "data_size", 1.0, 0);
    /// Bytes a second.
    pub(super) const RATE: Self = Self::new("By/s", "data_rate", 1.0, 0);
    /// Degrees Celsius.
    pub(super) const CELSIUS: Self = Self::new("Cel", "temperature", 0.1, 1);
    /// Seconds.
    pub(super) const SECONDS: Self = Self::new("s", "duration", 1.0, 0);

    const fn new(unit: &'static str, class: &'static str, step: f64, decimals: u8) -> Self {
        Self { unit, class, step, decimals }
    }
}

/// A count as a value. Bytes stay exact up to 9 PB.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which bytes of one machine are")]
pub(super) fn count(n: u64) -> f64 {
    n as f64
}

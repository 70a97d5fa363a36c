//! Readings, before and after intake.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceId, Sensor, SensorKey, TimeQuality, Timestamp};

/// What a sensor measured: a finite number, a boolean, or a text of up to 1 KiB.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A finite number; intake turns NaN and infinities into a bad reading.
    Number(f64),
    /// A boolean; 0 and 1 in buckets.
    Bool(bool),
    /// A text of up to 1 KiB.
    Text(Arc<str>),
}

impl Value {
    /// The sort of value this is.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Number,
            Self::Bool(_) => ValueType::Bool,
            Self::Text(_) => ValueType::Text,
        }
    }

    /// The value as a number, as buckets count it; none for a text.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Text(_) => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => s.serialize_f64(*n),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Text(t) => s.serialize_str(t),
        }
    }
}
impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Self::Number(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl From<&str> for Value {
    fn from(t: &str) -> Self {
        Self::Text(t.into())
    }
}

/// A sensor's type: that of its first value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ValueType {
    /// Finite numbers.
    #[serde(rename = "number")]
    Number,
    /// Booleans.
    #[serde(rename = "bool")]
    Bool,
    /// Texts.
    #[serde(rename = "text")]
    Text,
}

impl ValueType {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether a reading can be believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Quality {
    /// It can.
    #[default]
    Good,
    /// There is a value, and a reason to doubt it.
    Suspect(Arc<str>),
    /// It cannot; the value may be missing.
    Bad(Arc<str>),
}

impl Quality {
    /// The word outside.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Suspect(_) => "suspect",
            Self::Bad(_) => "bad",
        }
    }

    /// Why it is not good.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Good => None,
            Self::Suspect(reason) | Self::Bad(reason) => Some(reason),
        }
    }

    /// Whether it is good, the case that is left out in JSON.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Good)
    }
}

/// A reading that intake has checked and stamped. Its `seq` is given when it is committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The sensor, as it was when the reading was taken.
    pub sensor: Arc<Sensor>,
    /// When it was taken.
    pub ts: Timestamp,
    /// The value; missing only when the reading is bad.
    pub value: Option<Value>,
    /// Whether it can be believed.
    pub quality: Quality,
    /// How far its time can be trusted.
    pub time: TimeQuality,
}

/// A reading as it comes back from the history: without its sensor, which the asker knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When it was taken.
    pub ts: Timestamp,
    /// The value; missing only when the reading is bad.
    pub value: Option<Value>,
    /// Whether it can be believed.
    pub quality: Quality,
    /// How far its time can be trusted.
    pub time: TimeQuality,
}

/// One measured value on its way to intake, as a plugin or sender gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The device.
    pub device: DeviceId,
    /// The sensor's key.
    pub key: SensorKey,
    /// The device's own time; none for "now".
    pub ts: Option<Timestamp>,
    /// The value; none only for a bad one.
    pub value: Option<Value>,
    /// Whether it can be believed.
    pub quality: Quality,
}

/// Samples that belong together: what one poll, message or request brought. Intake gives those
/// without a time of their own the same instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    samples: Vec<Sample>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a good value, taken now.
    pub fn push(&mut self, device: &DeviceId, key: &SensorKey, value: impl Into<Value>) {
        self.push_sample(Sample {
            device: device.clone(),
            key: key.clone(),
            ts: None,
            value: Some(value.into()),
            quality: Quality::Good,
        });
    }

    /// Adds a reading that failed, taken now: no value, and why.
    pub fn push_bad(&mut self, device: &DeviceId, key: &SensorKey, reason: &str) {
        self.push_sample(Sample {
            device: device.clone(),
            key: key.clone(),
            ts: None,
            value: None,
            quality: Quality::Bad(reason.into()),
        });
    }

    /// Adds a value that is to be doubted, taken now, and why.
    pub fn push_suspect(
        &mut self,
        device: &DeviceId,
        key: &SensorKey,
        value: impl Into<Value>,
        reason: &str,
    ) {
        self.push_sample(Sample {
            device: device.clone(),
            key: key.clone(),
            ts: None,
            value: Some(value.into()),
            quality: Quality::Suspect(reason.into()),
        });
    }

    /// Adds a sample as it is.
    pub fn push_sample(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// What is in it, in the order it was added.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The samples themselves, for formats that add many and may have to take them back.
    pub(crate) fn samples_mut(&mut self) -> &mut Vec<Sample> {
        &mut self.samples
    }

    /// Takes the samples out.
    #[must_use]
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// How many samples are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

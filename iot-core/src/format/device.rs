//! How devices, sensors and the values of readings look outside; the same in REST, on the WebSocket
//! and in MQTT's retained `info`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{
    Calibration, CommandSpec, Device, Point, Quality, Sensor, TimeQuality, Timestamp, Value,
    ValueType,
};
use crate::pipeline::{DeviceView, SensorView};

/// A reading's value and what is to be known of it; what is good is left out.
#[derive(Debug, Serialize)]
pub struct PointShape<'a> {
    ts: Timestamp,
    value: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'static str>,
}

impl<'a> PointShape<'a> {
    /// A reading's.
    #[must_use]
    pub fn of(
        ts: Timestamp,
        value: Option<&'a Value>,
        quality: &'a Quality,
        time: TimeQuality,
    ) -> Self {
        Self {
            ts,
            value,
            quality: (!quality.is_good()).then(|| quality.word()),
            reason: quality.reason(),
            time: time.word(),
        }
    }
}

impl<'a> From<&'a Point> for PointShape<'a> {
    fn from(point: &'a Point) -> Self {
        Self::of(point.ts, point.value.as_ref(), &point.quality, point.time)
    }
}

/// What is said of a sensor, without its readings.
#[derive(Debug, Serialize)]
pub struct SensorFacts<'a> {
    sensor_id: String,
    device_id: &'a str,
    key: &'a str,
    name: Option<&'a str>,
    #[serde(rename = "type")]
    value_type: ValueType,
    unit: Option<&'a str>,
    display_unit: Option<&'a str>,
    precision: Option<u8>,
    class: Option<&'a str>,
    calibration: Option<Calibration>,
    retention_days: Option<u32>,
}

impl<'a> From<&'a Sensor> for SensorFacts<'a> {
    fn from(sensor: &'a Sensor) -> Self {
        Self {
            sensor_id: sensor.id.to_string(),
            device_id: sensor.id.device.as_str(),
            key: sensor.id.key.as_str(),
            name: sensor.name.as_deref(),
            value_type: sensor.value_type,
            unit: sensor.unit.as_deref(),
            display_unit: sensor.display_unit.as_deref(),
            precision: sensor.precision,
            class: sensor.class.as_deref(),
            calibration: sensor.calibration,
            retention_days: sensor.retention_days,
        }
    }
}

/// A sensor and its latest reading.
#[derive(Debug, Serialize)]
pub struct SensorShape<'a> {
    #[serde(flatten)]
    facts: SensorFacts<'a>,
    latest: Option<PointShape<'a>>,
}

impl<'a> From<&'a SensorView> for SensorShape<'a> {
    fn from(view: &'a SensorView) -> Self {
        Self { facts: (&*view.sensor).into(), latest: view.latest.as_ref().map(Into::into) }
    }
}

/// What is said of a device, without its state.
#[derive(Debug, Serialize)]
pub struct DeviceFacts<'a> {
    device_id: &'a str,
    name: Option<&'a str>,
    kind: &'a str,
    home: String,
    manufacturer: Option<&'a str>,
    model: Option<&'a str>,
    area: Option<&'a str>,
    labels: &'a [String],
    icon: Option<&'a str>,
    attributes: &'a BTreeMap<String, String>,
    first_seen: Timestamp,
}

impl<'a> From<&'a Device> for DeviceFacts<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            device_id: device.id.as_str(),
            name: device.name.as_deref(),
            kind: &device.kind,
            home: device.home.to_string(),
            manufacturer: device.manufacturer.as_deref(),
            model: device.model.as_deref(),
            area: device.area.as_deref(),
            labels: &device.labels,
            icon: device.icon.as_deref(),
            attributes: &device.attributes,
            first_seen: device.first_seen,
        }
    }
}

/// A device as it is now, its sensors in the shape `S`.
#[derive(Debug, Serialize)]
pub struct DeviceShape<'a, S = SensorShape<'a>> {
    #[serde(flatten)]
    facts: DeviceFacts<'a>,
    state: &'static str,
    reason: Option<&'a str>,
    last_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensors: Option<Vec<S>>,
    commands: &'a [CommandSpec],
}

impl<'a> DeviceShape<'a> {
    /// With its sensors and their latest readings.
    #[must_use]
    pub fn whole(view: &'a DeviceView) -> Self {
        let sensors = view.sensors.iter().map(|sensor| SensorShape::from(&**sensor)).collect();
        Self::with(view, Some(sensors))
    }

    /// Without its sensors.
    #[must_use]
    pub fn summary(view: &'a DeviceView) -> Self {
        Self::with(view, None)
    }
}

impl<'a> DeviceShape<'a, SensorFacts<'a>> {
    /// With its sensors and without their latest readings, as a broker keeps it.
    #[must_use]
    pub fn described(view: &'a DeviceView) -> Self {
        let sensors = view.sensors.iter().map(|sensor| SensorFacts::from(&*sensor.sensor));
        Self::with(view, Some(sensors.collect()))
    }
}

impl<'a, S> DeviceShape<'a, S> {
    fn with(view: &'a DeviceView, sensors: Option<Vec<S>>) -> Self {
        Self {
            facts: (&*view.device).into(),
            state: view.state.word(),
            reason: view.reason.as_deref(),
            last_seen: view.last_seen,
            sensors,
            commands: &view.device.commands,
        }
    }
}

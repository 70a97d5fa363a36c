//! How devices, sensors and readings look outside; the same in REST and on the WebSocket.

use std::collections::BTreeMap;
use std::sync::Arc;

use iot_core::domain::{
    Calibration, CommandSpec, Device, Point, Quality, Reading, Sensor, TimeQuality, Timestamp,
    Value, ValueType,
};
use iot_core::pipeline::{DeviceView, SensorView};
use serde::Serialize;

/// A reading's value and what is to be known of it; what is good is left out.
#[derive(Debug, Serialize)]
pub(crate) struct PointOut<'a> {
    ts: Timestamp,
    value: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'static str>,
}

impl<'a> PointOut<'a> {
    fn of(
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

impl<'a> From<&'a Point> for PointOut<'a> {
    fn from(point: &'a Point) -> Self {
        Self::of(point.ts, point.value.as_ref(), &point.quality, point.time)
    }
}

/// A reading with its sensor's name, as the WebSocket gives it.
#[derive(Debug, Serialize)]
pub(crate) struct ReadingOut<'a> {
    device_id: &'a str,
    key: &'a str,
    #[serde(flatten)]
    point: PointOut<'a>,
}

impl<'a> ReadingOut<'a> {
    pub(crate) fn live(reading: &'a Reading) -> Self {
        Self {
            device_id: reading.sensor.id.device.as_str(),
            key: reading.sensor.id.key.as_str(),
            point: PointOut::of(reading.ts, reading.value.as_ref(), &reading.quality, reading.time),
        }
    }

    /// A sensor's latest reading, where it has one.
    pub(crate) fn latest(view: &'a SensorView) -> Option<Self> {
        let point = view.latest.as_ref()?;
        let id = &view.sensor.id;
        Some(Self { device_id: id.device.as_str(), key: id.key.as_str(), point: point.into() })
    }
}

/// What is said of a sensor, without its readings.
#[derive(Debug, Serialize)]
struct SensorFacts<'a> {
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
pub(crate) struct SensorOut<'a> {
    #[serde(flatten)]
    facts: SensorFacts<'a>,
    latest: Option<PointOut<'a>>,
}

impl<'a> From<&'a SensorView> for SensorOut<'a> {
    fn from(view: &'a SensorView) -> Self {
        Self { facts: (&*view.sensor).into(), latest: view.latest.as_ref().map(Into::into) }
    }
}

/// What is said of a device, without its state.
#[derive(Debug, Serialize)]
struct DeviceFacts<'a> {
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

/// A device as it is now.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceOut<'a> {
    #[serde(flatten)]
    facts: DeviceFacts<'a>,
    state: &'static str,
    reason: Option<&'a str>,
    last_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensors: Option<Vec<SensorOut<'a>>>,
    commands: &'a [CommandSpec],
}

impl<'a> DeviceOut<'a> {
    /// With its sensors.
    pub(crate) fn whole(view: &'a DeviceView) -> Self {
        let sensors = view.sensors.iter().map(|sensor| SensorOut::from(&**sensor)).collect();
        Self { sensors: Some(sensors), ..Self::summary(view) }
    }

    /// Without its sensors.
    pub(crate) fn summary(view: &'a DeviceView) -> Self {
        Self {
            facts: (&*view.device).into(),
            state: view.state.word(),
            reason: view.reason.as_deref(),
            last_seen: view.last_seen,
            sensors: None,
            commands: &view.device.commands,
        }
    }
}

/// The tag of what is said of a device and its sensors.
pub(crate) fn device_tag(view: &DeviceView) -> String {
    let sensors: Vec<SensorFacts<'_>> = view.sensors.iter().map(|s| (&*s.sensor).into()).collect();
    crate::etag::of(&(DeviceFacts::from(&*view.device), &view.device.commands, sensors))
}

/// The tag of what is said of a sensor.
pub(crate) fn sensor_tag(view: &Arc<SensorView>) -> String {
    crate::etag::of(&SensorFacts::from(&*view.sensor))
}

//! Readings on the WebSocket, and the tags of devices and sensors. How these look otherwise is the
//! core's: [`iot_core::format::device`].

use std::sync::Arc;

use iot_core::domain::Reading;
use iot_core::format::device::{DeviceFacts, PointShape, SensorFacts};
use iot_core::pipeline::{DeviceView, SensorView};
use serde::Serialize;

/// A reading with its sensor's name, as the WebSocket gives it.
#[derive(Debug, Serialize)]
pub(crate) struct ReadingOut<'a> {
    device_id: &'a str,
    key: &'a str,
    #[serde(flatten)]
    point: PointShape<'a>,
}

impl<'a> ReadingOut<'a> {
    pub(crate) fn live(reading: &'a Reading) -> Self {
        Self {
            device_id: reading.sensor.id.device.as_str(),
            key: reading.sensor.id.key.as_str(),
            point: PointShape::of(
                reading.ts,
                reading.value.as_ref(),
                &reading.quality,
                reading.time,
            ),
        }
    }

    /// A sensor's latest reading, where it has one.
    pub(crate) fn latest(view: &'a SensorView) -> Option<Self> {
        let point = view.latest.as_ref()?;
        let id = &view.sensor.id;
        Some(Self { device_id: id.device.as_str(), key: id.key.as_str(), point: point.into() })
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

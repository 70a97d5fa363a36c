//! What the measurements share: a gateway on a store, and batches as a plugin makes them.

use std::path::Path;

use iot_core::domain::{Batch, DeviceId, SensorKey};
use iot_core::gateway::{Builder, Gateway};
use iot_plugins as _;
use iot_storage as _;

/// A gateway with nothing but a store in a folder.
#[must_use]
pub fn gateway(data: &Path) -> Builder {
    Gateway::builder().store("sqlite:iot.db").data_dir(data)
}

/// Sensors in turn: devices of ten sensors each, walking in steps of 1/16.
#[derive(Debug)]
pub struct Walk {
    sensors: Vec<(DeviceId, SensorKey, f64)>,
    next: usize,
}

impl Walk {
    /// So many sensors, of devices named after `prefix`.
    ///
    /// # Errors
    /// When the prefix does not fit an id.
    pub fn new(prefix: &str, sensors: usize) -> anyhow::Result<Self> {
        let sensors = (0..sensors)
            .map(|n| {
                let device = DeviceId::parse(&format!("{prefix}{}", n / 10))?;
                Ok((device, SensorKey::parse(&format!("t{}", n % 10))?, 20.0))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { sensors, next: 0 })
    }

    /// The next readings, one a sensor in turn.
    pub fn batch(&mut self, readings: usize) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..readings {
            let (device, key, value) = &mut self.sensors[self.next];
            *value += (f64::from(fastrand::u32(0..7)) - 3.0) / 16.0;
            batch.push(device, key, *value);
            self.next = (self.next + 1) % self.sensors.len();
        }
        batch
    }
}

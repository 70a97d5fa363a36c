//! Devices and sensors come into being: announced by a plugin, or at first sight.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::{Catalogue, Entry, Inner, NEVER};
use crate::domain::{
    Device, DeviceId, DeviceNo, DeviceSpec, DeviceState, Home, Sensor, SensorId, SensorNo,
    SensorSpec, Timestamp,
};
use crate::port::{AnnounceError, Change};

const STALE_LEAST: Duration = Duration::from_secs(60);

impl Catalogue {
    /// Makes a device known, or tells what is new about it.
    pub(crate) fn announce(
        &self,
        home: &Home,
        kind: &str,
        spec: DeviceSpec,
        interval: Duration,
        now: Timestamp,
    ) -> Result<DeviceId, AnnounceError> {
        let mut inner = self.write();
        let id = inner.id_for(home, kind, &spec.hardware)?;
        let before = inner.devices.get(&id).map(|entry| entry.device.clone());
        let sensors_before = inner.devices.get(&id).map_or(0, |entry| entry.sensors.len());
        let count = inner.devices.values().filter(|e| !e.device.removed).count();
        if before.as_ref().is_none_or(|d| d.removed) && count >= self.limits.devices {
            return Err(AnnounceError::Limit { what: "devices", limit: self.limits.devices });
        }
        let new = spec.sensors.iter().filter(|s| {
            inner.devices.get(&id).is_none_or(|entry| !entry.sensors.contains_key(&s.key))
        });
        if sensors_before + new.count() > self.limits.sensors {
            let what = "sensors of one device";
            return Err(AnnounceError::Limit { what, limit: self.limits.sensors });
        }
        if let Some(entry) = inner.devices.get(&id) {
            for spec in &spec.sensors {
                if let Some(known) = entry.sensors.get(&spec.key)
                    && known.value_type != spec.value_type
                {
                    return Err(AnnounceError::Type {
                        sensor: known.id.to_string(),
                        on_file: known.value_type.word(),
                        announced: spec.value_type.word(),
                    });
                }
            }
        }
        let stale_after = spec.stale_after.unwrap_or((interval * 3).max(STALE_LEAST));
        let device = Arc::new(described(before.as_deref(), &id, home, kind, &spec, now, || {
            let no = DeviceNo(inner.next_device.max(1));
            inner.next_device = no.0 + 1;
            no
        }));
        let mut changes = Vec::new();
        let changed = before.as_deref() != Some(&*device);
        if changed {
            changes.push(Change::PutDevice(device.clone()));
        }
        inner.hardware.insert((kind.to_owned(), spec.hardware), id.clone());
        let entry = inner.devices.entry(id.clone()).or_insert_with(|| Entry {
            device: device.clone(),
            state: DeviceState::Offline,
            reason: None,
            last_seen: AtomicI64::new(NEVER),
            stale_after,
            sensors: HashMap::default(),
        });
        entry.device = device.clone();
        entry.stale_after = stale_after;
        let came = entry.state != DeviceState::Online;
        entry.state = DeviceState::Online;
        entry.reason = None;
        // Whoever announces a device hears it: it is not stale before its first reading is due.
        entry.heard(now);
        self.put_sensors(&mut inner, &device, spec.sensors, &mut changes);
        let changed = changed || !changes.is_empty();
        if came {
            changes.push(Change::DeviceState(device.no, DeviceState::Online));
        }
        self.queue_changes(changes);
        drop(inner);
        if changed || came {
            self.tell(&id);
        }
        Ok(id)
    }

    fn put_sensors(
        &self,
        inner: &mut Inner,
        device: &Device,
        specs: Vec<SensorSpec>,
        changes: &mut Vec<Change>,
    ) {
        for spec in specs {
            let Some(entry) = inner.devices.get_mut(&device.id) else { return };
            let known = entry.sensors.get(&spec.key);
            let no = known.map_or(SensorNo(inner.next_sensor.max(1)), |s| s.no);
            let sensor = Arc::new(Sensor {
                no,
                device_no: device.no,
                id: SensorId { device: device.id.clone(), key: spec.key.clone() },
                name: known.and_then(|s| s.name.clone()).or(spec.name),
                value_type: spec.value_type,
                unit: spec.unit.or_else(|| known.and_then(|s| s.unit.clone())),
                display_unit: known.and_then(|s| s.display_unit.clone()),
                precision: known.and_then(|s| s.precision).or(spec.precision),
                class: known.and_then(|s| s.class.clone()).or(spec.class),
                resolution: spec.resolution,
                calibration: known.and_then(|s| s.calibration),
                retention_days: known.and_then(|s| s.retention_days),
            });
            if known.is_none() {
                inner.next_sensor = no.0 + 1;
            }
            if known != Some(&sensor) {
                inner.numbers.insert(no, sensor.id.clone());
                changes.push(Change::PutSensor(sensor.clone()));
                entry.sensors.insert(spec.key, sensor);
            }
        }
    }

    /// A sensor of a device whose home sends what it likes; made at first sight. None at a limit.
    pub(crate) fn sensor_at_first_sight(
        &self,
        device: &DeviceId,
        spec: SensorSpec,
    ) -> Option<Arc<Sensor>> {
        let mut inner = self.write();
        let entry = inner.devices.get(device)?;
        if let Some(sensor) = entry.sensors.get(&spec.key) {
            return Some(sensor.clone());
        }
        if entry.sensors.len() >= self.limits.sensors {
            return None;
        }
        let (key, of) = (spec.key.clone(), entry.device.clone());
        let mut changes = Vec::new();
        self.put_sensors(&mut inner, &of, vec![spec], &mut changes);
        self.queue_changes(changes);
        let sensor = inner.devices.get(device).and_then(|e| e.sensors.get(&key).cloned());
        drop(inner);
        self.tell(device);
        sensor
    }
}

impl Inner {
    /// The id of a piece of hardware: the one it has on file, or a new one made from its identity.
    fn id_for(&self, home: &Home, kind: &str, hardware: &str) -> Result<DeviceId, AnnounceError> {
        let on_file = self.hardware.get(&(kind.to_owned(), hardware.to_owned())).cloned();
        let known = on_file.is_some();
        let id = on_file.unwrap_or_else(|| DeviceId::from_hardware(hardware));
        let Some(entry) = self.devices.get(&id) else { return Ok(id) };
        if entry.device.home == *home || entry.device.removed {
            return Ok(id);
        }
        if !known {
            // Another kind's hardware happens to have the same identity: the kind tells them apart.
            let other = DeviceId::from_hardware(&format!("{kind}:{hardware}"));
            if self.devices.get(&other).is_none_or(|entry| entry.device.home == *home) {
                return Ok(other);
            }
        }
        Err(AnnounceError::NotHome { device: id, home: entry.device.home.to_string() })
    }
}

/// A device as announced, keeping what people said about it.
fn described(
    before: Option<&Device>,
    id: &DeviceId,
    home: &Home,
    kind: &str,
    spec: &DeviceSpec,
    now: Timestamp,
    number: impl FnOnce() -> DeviceNo,
) -> Device {
    let mut attributes = spec.attributes.clone();
    if id.as_str() != spec.hardware {
        attributes.insert("hardware_id".to_owned(), spec.hardware.clone());
    }
    Device {
        no: before.map_or_else(number, |d| d.no),
        id: id.clone(),
        hardware: Some(spec.hardware.clone()),
        name: before.and_then(|d| d.name.clone()).or_else(|| spec.name.clone()),
        kind: kind.to_owned(),
        home: home.clone(),
        manufacturer: spec.manufacturer.clone(),
        model: spec.model.clone(),
        area: before.and_then(|d| d.area.clone()),
        labels: before.map_or_else(Vec::new, |d| d.labels.clone()),
        icon: before.and_then(|d| d.icon.clone()),
        attributes,
        first_seen: before.map_or(now, |d| d.first_seen),
        commands: spec.commands.clone(),
        removed: false,
    }
}

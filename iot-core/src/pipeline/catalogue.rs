//! What is known of devices and sensors, in memory; the registry is where it is kept.
//!
//! A change is put into the writer's queue under the catalogue's lock, so no reading can be
//! committed before the sensor that it names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::bus::{Bus, Live};
use super::latest::Latest;
use super::queue::{Queue, Ticket};
use crate::domain::{
    Device, DeviceId, DeviceNo, DeviceSpec, DeviceState, Home, Point, Sensor, SensorId, SensorKey,
    SensorNo, SensorSpec, Timestamp,
};
use crate::port::{AnnounceError, Change, StoredDevice};

/// How many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Devices.
    pub devices: usize,
    /// Sensors of one device.
    pub sensors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { devices: 10_000, sensors: 200 }
    }
}

/// A sensor and its latest reading.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorView {
    /// The sensor.
    pub sensor: Arc<Sensor>,
    /// Its latest reading by the reading's own time.
    pub latest: Option<Point>,
}

/// A device as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceView {
    /// The device.
    pub device: Arc<Device>,
    /// Whether it can be heard.
    pub state: DeviceState,
    /// Why it fails.
    pub reason: Option<String>,
    /// When it was last heard.
    pub last_seen: Option<Timestamp>,
    /// Its sensors, in the order they came.
    pub sensors: Vec<Arc<SensorView>>,
}

/// A device that nobody announced an interval for is stale after this.
const STALE_UNKNOWN: Duration = Duration::from_secs(600);
const STALE_LEAST: Duration = Duration::from_secs(60);
const NEVER: i64 = i64::MIN;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) device: Arc<Device>,
    pub(crate) state: DeviceState,
    pub(crate) reason: Option<String>,
    last_seen: AtomicI64,
    stale_after: Duration,
    pub(crate) sensors: HashMap<SensorKey, Arc<Sensor>, RandomState>,
}

impl Entry {
    pub(crate) fn last_seen(&self) -> Option<Timestamp> {
        let us = self.last_seen.load(Ordering::Relaxed);
        (us != NEVER).then(|| Timestamp::from_micros(us))
    }

    pub(crate) fn heard(&self, at: Timestamp) {
        self.last_seen.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) devices: HashMap<DeviceId, Entry, RandomState>,
    hardware: HashMap<(String, String), DeviceId, RandomState>,
    next_device: u32,
    next_sensor: u32,
}

/// Devices and sensors.
#[derive(Debug)]
pub(crate) struct Catalogue {
    inner: RwLock<Inner>,
    limits: Limits,
    queue: Arc<Queue>,
    bus: Arc<Bus>,
    latest: Arc<Latest>,
}

impl Catalogue {
    pub(crate) fn new(
        limits: Limits,
        queue: Arc<Queue>,
        bus: Arc<Bus>,
        latest: Arc<Latest>,
    ) -> Self {
        Self { inner: RwLock::default(), limits, queue, bus, latest }
    }

    /// Takes up what the registry holds; every device is offline until its home is heard.
    pub(crate) fn restore(&self, devices: Vec<StoredDevice>, sensors: Vec<Sensor>) {
        let mut inner = self.write();
        let mut by_no = HashMap::new();
        for StoredDevice { device, last_seen } in devices {
            inner.next_device = inner.next_device.max(device.no.0 + 1);
            by_no.insert(device.no, device.id.clone());
            if let Some(hardware) = &device.hardware {
                let key = (device.kind.clone(), hardware.clone());
                inner.hardware.insert(key, device.id.clone());
            }
            let entry = Entry {
                state: DeviceState::Offline,
                reason: None,
                last_seen: AtomicI64::new(last_seen.map_or(NEVER, Timestamp::as_micros)),
                stale_after: STALE_UNKNOWN,
                sensors: HashMap::default(),
                device: Arc::new(device),
            };
            inner.devices.insert(entry.device.id.clone(), entry);
        }
        for sensor in sensors {
            inner.next_sensor = inner.next_sensor.max(sensor.no.0 + 1);
            let Some(id) = by_no.get(&sensor.device_no) else { continue };
            if let Some(entry) = inner.devices.get_mut(id) {
                if let Some(point) = self.latest.get(sensor.no) {
                    entry.heard(point.ts);
                }
                entry.sensors.insert(sensor.id.key.clone(), Arc::new(sensor));
            }
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

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

    fn queue_changes(&self, changes: Vec<Change>) {
        if !changes.is_empty() && self.queue.change(changes, false).is_none() {
            tracing::debug!("a change came while the gateway was stopping");
        }
    }

    /// Edits a device by hand; the ticket tells when it is on disk.
    pub(crate) fn edit(
        &self,
        id: &DeviceId,
        edit: impl FnOnce(&mut Device),
    ) -> Option<Option<Ticket>> {
        let mut inner = self.write();
        let entry = inner.devices.get_mut(id).filter(|entry| !entry.device.removed)?;
        let mut device = Device::clone(&entry.device);
        edit(&mut device);
        entry.device = Arc::new(device);
        let ticket = self.queue.change(vec![Change::PutDevice(entry.device.clone())], true);
        drop(inner);
        self.tell(id);
        Some(ticket)
    }

    /// Edits a sensor by hand.
    pub(crate) fn edit_sensor(
        &self,
        id: &SensorId,
        edit: impl FnOnce(&mut Sensor),
    ) -> Option<Option<Ticket>> {
        let mut inner = self.write();
        let entry = inner.devices.get_mut(&id.device).filter(|entry| !entry.device.removed)?;
        let slot = entry.sensors.get_mut(&id.key)?;
        let mut sensor = Sensor::clone(slot);
        edit(&mut sensor);
        *slot = Arc::new(sensor);
        let ticket = self.queue.change(vec![Change::PutSensor(slot.clone())], true);
        drop(inner);
        self.tell(&id.device);
        Some(ticket)
    }

    /// Deletes a device: its number and id stay taken.
    pub(crate) fn remove(&self, id: &DeviceId, history: bool) -> Option<Option<Ticket>> {
        let mut inner = self.write();
        let entry = inner.devices.get_mut(id).filter(|entry| !entry.device.removed)?;
        entry.device = Arc::new(Device { removed: true, ..Device::clone(&entry.device) });
        entry.state = DeviceState::Offline;
        let no = entry.device.no;
        if history {
            for sensor in entry.sensors.values() {
                self.latest.replace(sensor.no, None);
            }
        }
        let ticket = self.queue.change(vec![Change::RemoveDevice { no, history }], true);
        drop(inner);
        self.bus.publish(Live::Gone(id.clone()));
        Some(ticket)
    }

    /// Sets the state of some devices; tells of those that changed.
    pub(crate) fn set_state(
        &self,
        which: impl Fn(&Entry) -> bool,
        state: DeviceState,
        reason: Option<&str>,
    ) {
        let mut changed = Vec::new();
        let mut inner = self.write();
        for (id, entry) in &mut inner.devices {
            if which(entry)
                && !entry.device.removed
                && (entry.state != state || entry.reason.as_deref() != reason)
            {
                entry.state = state;
                entry.reason = reason.map(str::to_owned);
                changed.push(id.clone());
            }
        }
        drop(inner);
        for id in changed {
            self.tell(&id);
        }
    }

    /// Devices whose readings are overdue become stale.
    pub(crate) fn find_stale(&self, now: Timestamp) {
        let overdue = |entry: &Entry| {
            entry.state == DeviceState::Online
                && entry.last_seen().is_some_and(|at| now.since(at) > entry.stale_after)
        };
        if self.read().devices.values().any(overdue) {
            self.set_state(overdue, DeviceState::Stale, None);
        }
    }

    /// All views, by id.
    pub(crate) fn views(&self) -> Vec<Arc<DeviceView>> {
        let inner = self.read();
        let mut views: Vec<_> = inner
            .devices
            .values()
            .filter(|entry| !entry.device.removed)
            .map(|entry| Arc::new(self.view_of(entry)))
            .collect();
        drop(inner);
        views.sort_by(|a, b| a.device.id.cmp(&b.device.id));
        views
    }

    pub(crate) fn view(&self, id: &DeviceId) -> Option<Arc<DeviceView>> {
        let inner = self.read();
        let entry = inner.devices.get(id).filter(|entry| !entry.device.removed)?;
        Some(Arc::new(self.view_of(entry)))
    }

    pub(crate) fn sensor_view(&self, id: &SensorId) -> Option<Arc<SensorView>> {
        let inner = self.read();
        let entry = inner.devices.get(&id.device).filter(|entry| !entry.device.removed)?;
        let sensor = entry.sensors.get(&id.key)?.clone();
        let latest = self.latest.get(sensor.no);
        Some(Arc::new(SensorView { sensor, latest }))
    }

    fn view_of(&self, entry: &Entry) -> DeviceView {
        let mut sensors: Vec<_> = entry
            .sensors
            .values()
            .map(|sensor| {
                let latest = self.latest.get(sensor.no);
                Arc::new(SensorView { sensor: sensor.clone(), latest })
            })
            .collect();
        sensors.sort_by_key(|view| view.sensor.no);
        DeviceView {
            device: entry.device.clone(),
            state: entry.state,
            reason: entry.reason.clone(),
            last_seen: entry.last_seen(),
            sensors,
        }
    }

    fn tell(&self, id: &DeviceId) {
        if let Some(view) = self.view(id) {
            self.bus.publish(Live::Device(view));
        }
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

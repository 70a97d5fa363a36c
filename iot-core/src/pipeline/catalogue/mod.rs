//! What is known of devices and sensors, in memory; the registry is where it is kept.
//!
//! A change is put into the writer's queue under the catalogue's lock, so no reading can be
//! committed before the sensor that it names.

mod announce;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::domain::{
    Device, DeviceId, DeviceState, Home, Point, Sensor, SensorId, SensorKey, SensorNo, Timestamp,
};
use crate::pipeline::bus::{Bus, Live};
use crate::pipeline::latest::Latest;
use crate::pipeline::queue::{Queue, Ticket};
use crate::port::{Change, StoredDevice};

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
    /// Where each sensor's number lies: the log names sensors by it.
    numbers: HashMap<SensorNo, SensorId, RandomState>,
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
                let (no, id) = (sensor.no, sensor.id.clone());
                entry.sensors.insert(id.key.clone(), Arc::new(sensor));
                inner.numbers.insert(no, id);
            }
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
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

    /// Nobody has heard a device that was made by hand.
    pub(crate) fn unheard(&self, id: &DeviceId) {
        if let Some(entry) = self.write().devices.get_mut(id) {
            entry.last_seen.store(NEVER, Ordering::Relaxed);
            entry.state = DeviceState::Offline;
            let no = entry.device.no;
            self.queue_changes(vec![Change::DeviceState(no, DeviceState::Offline)]);
        }
    }

    /// A device that was deleted sends again: it is there again, as it was.
    pub(crate) fn revive(&self, id: &DeviceId, now: Timestamp) {
        let mut inner = self.write();
        let Some(entry) = inner.devices.get_mut(id).filter(|entry| entry.device.removed) else {
            return;
        };
        entry.device = Arc::new(Device { removed: false, ..Device::clone(&entry.device) });
        entry.state = DeviceState::Online;
        entry.heard(now);
        let no = entry.device.no;
        let device = Change::PutDevice(entry.device.clone());
        self.queue_changes(vec![device, Change::DeviceState(no, DeviceState::Online)]);
        drop(inner);
        self.tell(id);
    }

    /// Deletes a device: its number and id stay taken. One that was deleted without its history can
    /// be deleted again with it.
    pub(crate) fn remove(&self, id: &DeviceId, history: bool) -> Option<Option<Ticket>> {
        let mut inner = self.write();
        let there = |entry: &&mut Entry| history || !entry.device.removed;
        let entry = inner.devices.get_mut(id).filter(there)?;
        entry.device = Arc::new(Device { removed: true, ..Device::clone(&entry.device) });
        entry.state = DeviceState::Offline;
        let no = entry.device.no;
        if history {
            for sensor in entry.sensors.values() {
                self.latest.forget(sensor.no);
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
        let (mut changed, mut changes) = (Vec::new(), Vec::new());
        let mut inner = self.write();
        for (id, entry) in &mut inner.devices {
            if which(entry)
                && !entry.device.removed
                && (entry.state != state || entry.reason.as_deref() != reason)
            {
                if entry.state != state {
                    changes.push(Change::DeviceState(entry.device.no, state));
                }
                entry.state = state;
                entry.reason = reason.map(str::to_owned);
                changed.push(id.clone());
            }
        }
        self.queue_changes(changes);
        drop(inner);
        for id in changed {
            self.tell(&id);
        }
    }

    /// A device says that it is there or not; false where there is none of that home.
    pub(crate) fn heard(
        &self,
        id: &DeviceId,
        home: &Home,
        state: DeviceState,
        now: Timestamp,
    ) -> bool {
        let mut inner = self.write();
        let there = |entry: &&mut Entry| !entry.device.removed && entry.device.home == *home;
        let Some(entry) = inner.devices.get_mut(id).filter(there) else { return false };
        entry.heard(now);
        if entry.state == state {
            return true;
        }
        entry.state = state;
        entry.reason = None;
        let no = entry.device.no;
        self.queue_changes(vec![Change::DeviceState(no, state)]);
        drop(inner);
        self.tell(id);
        true
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

    /// Whether there was such a device of this home, and it was deleted.
    pub(crate) fn is_removed(&self, id: &DeviceId, home: &Home) -> bool {
        let inner = self.read();
        inner.devices.get(id).is_some_and(|e| e.device.removed && e.device.home == *home)
    }

    /// Whether there is such a device.
    pub(crate) fn has(&self, id: &DeviceId) -> bool {
        self.read().devices.get(id).is_some_and(|entry| !entry.device.removed)
    }

    /// A sensor of a device that is there.
    pub(crate) fn sensor(&self, device: &DeviceId, key: &SensorKey) -> Option<Arc<Sensor>> {
        let inner = self.read();
        let entry = inner.devices.get(device).filter(|entry| !entry.device.removed)?;
        entry.sensors.get(key).cloned()
    }

    /// A sensor by the number that the log gives it, and its device's home; deleted ones too, for
    /// what they sent before is on its way.
    pub(crate) fn sensor_by_no(&self, no: SensorNo) -> Option<(Arc<Sensor>, Home)> {
        let inner = self.read();
        let id = inner.numbers.get(&no)?;
        let entry = inner.devices.get(&id.device)?;
        Some((entry.sensors.get(&id.key)?.clone(), entry.device.home.clone()))
    }

    /// The home of a device that is there.
    pub(crate) fn home(&self, id: &DeviceId) -> Option<Home> {
        let inner = self.read();
        let entry = inner.devices.get(id).filter(|entry| !entry.device.removed)?;
        Some(entry.device.home.clone())
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

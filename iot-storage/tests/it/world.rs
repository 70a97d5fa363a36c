//! A store in a folder of its own, with readings to commit, and plain SQL beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use iot_core::domain::{
    Device, DeviceId, DeviceNo, Home, Point, Quality, Reading, Sensor, SensorId, SensorKey,
    SensorNo, Seq, TimeQuality, Timestamp, Value, ValueType,
};
use iot_core::port::{
    Change, Commit, Committed, LogError, Logged, Store, StoreError, StoreOptions, Synchronous,
};
use iot_storage::sqlite::{Limits, open_with};
use tempfile::TempDir;

/// An open store and where it lies.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) sensors: Vec<Arc<Sensor>>,
    pub(crate) folder: TempDir,
}

pub(crate) fn options(folder: &Path) -> StoreOptions {
    StoreOptions {
        url: "sqlite:iot.db".to_owned(),
        data_dir: folder.to_owned(),
        synchronous: Synchronous::Normal,
        disk_cap: None,
    }
}

pub(crate) async fn open(folder: &Path) -> Result<Store, StoreError> {
    iot_storage::sqlite::open(options(folder)).await
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    /// Two devices, and a sensor of each type on each.
    pub(crate) async fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_with(options(folder.path()), limits).await.unwrap();
        let mut changes = Vec::new();
        let mut sensors = Vec::new();
        for (no, name) in [(1, "attic"), (2, "cellar")] {
            changes.push(Change::PutDevice(Arc::new(device(no, name))));
            for (n, key) in [(0, "temperature"), (1, "door"), (2, "note")] {
                let sensor = Arc::new(sensor(no * 10 + n, no, name, key));
                changes.push(Change::PutSensor(Arc::clone(&sensor)));
                sensors.push(sensor);
            }
        }
        let world = Self { store, sensors, folder };
        world.commit(Vec::new(), changes).await.unwrap();
        world
    }

    /// Closes the store and opens it again.
    pub(crate) async fn again(self, limits: Limits) -> Self {
        self.store.keeper.close().await;
        let store = open_with(options(self.folder.path()), limits).await.unwrap();
        Self { store, ..self }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("iot.db")
    }

    pub(crate) fn reading(&self, sensor: usize, us: i64, value: impl Into<Value>) -> Reading {
        Reading {
            sensor: Arc::clone(&self.sensors[sensor]),
            ts: at(us),
            value: Some(value.into()),
            quality: Quality::Good,
            time: TimeQuality::Synced,
        }
    }

    pub(crate) async fn commit(
        &self,
        readings: Vec<Reading>,
        changes: Vec<Change>,
    ) -> Result<Committed, LogError> {
        let first = self.store.log.end().await?.plus(1);
        let batches = vec![Arc::from(readings)];
        self.store.log.commit(&Commit { first, batches, changes, ..Commit::default() }).await
    }

    pub(crate) async fn put(&self, readings: Vec<Reading>) -> Committed {
        self.commit(readings, Vec::new()).await.unwrap()
    }

    /// The whole log.
    pub(crate) async fn log(&self) -> Vec<Logged> {
        let (mut all, mut from) = (Vec::new(), Seq(1));
        loop {
            let page = self.store.log.read(from, 1000).await.unwrap();
            let done = page.next == from;
            all.extend(page.readings);
            from = page.next;
            if done {
                return all;
            }
        }
    }

    /// Asks the plain `sqlite3` program, which the system brings, beside the open store.
    pub(crate) fn shell(&self, sql: &str) -> String {
        shell(&self.database(), true, sql)
    }

    /// The same, writing.
    pub(crate) fn tamper(&self, sql: &str) {
        shell(&self.database(), false, sql);
    }

    /// `count(device_data)` and the sealed runs must be the ledger's `kept`.
    pub(crate) async fn assert_ledger(&self) {
        let figures = self.store.log.figures().await.unwrap();
        let removed = figures.removed;
        let gone = figures.replaced + removed.age + removed.cap + removed.by_hand;
        assert_eq!(figures.stored, figures.kept + gone);
        let counted = self.shell(
            "SELECT (SELECT count(*) FROM device_data) + \
             (SELECT coalesce(sum(count), 0) FROM device_data_sealed)",
        );
        assert_eq!(counted, figures.kept.to_string());
    }
}

pub(crate) fn shell(database: &Path, read_only: bool, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    if read_only {
        command.arg("-readonly");
    }
    let output = command.arg("-cmd").arg(".timeout 5000").arg(database).arg(sql).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{sql}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

pub(crate) fn at(us: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + us)
}

pub(crate) fn point(reading: &Reading) -> Point {
    Point {
        ts: reading.ts,
        value: reading.value.clone(),
        quality: reading.quality.clone(),
        time: reading.time,
    }
}

pub(crate) fn device(no: u32, name: &str) -> Device {
    Device {
        no: DeviceNo(no),
        id: DeviceId::parse(name).unwrap(),
        hardware: None,
        name: None,
        kind: "simulator".to_owned(),
        home: Home::Api,
        manufacturer: None,
        model: None,
        area: None,
        labels: Vec::new(),
        icon: None,
        attributes: BTreeMap::new(),
        first_seen: at(0),
        commands: Vec::new(),
        removed: false,
    }
}

fn sensor(no: u32, device: u32, name: &str, key: &str) -> Sensor {
    Sensor {
        no: SensorNo(no),
        device_no: DeviceNo(device),
        id: SensorId {
            device: DeviceId::parse(name).unwrap(),
            key: SensorKey::parse(key).unwrap(),
        },
        name: None,
        value_type: match key {
            "temperature" => ValueType::Number,
            "door" => ValueType::Bool,
            _ => ValueType::Text,
        },
        unit: (key == "temperature").then(|| "Cel".to_owned()),
        display_unit: None,
        precision: None,
        class: None,
        resolution: None,
        calibration: None,
        retention_days: None,
    }
}

//! One suite per port, run by every implementation of it: plain functions that panic with the name
//! of the clause that does not hold. They bring no test framework; a test calls them:
//!
//! ```no_run
//! # async fn fresh_store() -> iot_core::port::Store { unimplemented!("a store of one's own") }
//! # async fn test() {
//! iot_testkit::conformance::log_suite(async || fresh_store().await).await;
//! # }
//! ```
//!
//! `make` gives an empty store each time; what it lies on (a folder) must live as long as the suite.

mod history;
mod log;
pub mod plugin;
mod registry;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;

use iot_core::domain::{
    BootId, Device, DeviceId, DeviceNo, Home, Point, Quality, Reading, Sensor, SensorId, SensorKey,
    SensorNo, Seq, TimeQuality, Timestamp, Value, ValueType,
};
use iot_core::port::{Change, Commit, Figures, Logged, Store};

pub use history::history_suite;
pub use log::log_suite;
pub use plugin::assert_conforms;
pub use registry::registry_suite;

/// A clause of a port's promise, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clause(pub(crate) &'static str);

impl Clause {
    /// The clause holds when both are equal.
    #[track_caller]
    pub(crate) fn equal<T: PartialEq + Debug>(self, seen: T, expected: T) {
        let at = Location::caller();
        assert!(
            seen == expected,
            "the clause \"{}\" does not hold ({at}):\n    seen {seen:?}\nexpected {expected:?}",
            self.0
        );
    }

    /// The clause holds when this is true.
    #[track_caller]
    pub(crate) fn holds(self, it: bool, seen: impl Debug) {
        let at = Location::caller();
        assert!(it, "the clause \"{}\" does not hold ({at}): seen {seen:?}", self.0);
    }

    /// The store must be able to do this at all.
    #[track_caller]
    pub(crate) fn done<T, E: std::fmt::Display>(self, result: Result<T, E>) -> T {
        let at = Location::caller();
        match result {
            Ok(value) => value,
            Err(error) => panic!("the clause \"{}\" does not hold ({at}): {error}", self.0),
        }
    }
}

/// The instant that the suites' readings lie around.
pub(crate) const NOON: i64 = 1_700_000_000_000_000;

/// An instant so many microseconds after [`NOON`].
pub(crate) fn at(us: i64) -> Timestamp {
    Timestamp::from_micros(NOON + us)
}

/// A store with one device and sensors numbered from 1, and what was committed to it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) sensors: Vec<Arc<Sensor>>,
    pub(crate) committed: Vec<Logged>,
    pub(crate) clause: Clause,
}

impl World {
    /// A store in which three sensors (number, bool, text) are known.
    pub(crate) async fn new(store: Store, name: &'static str) -> Self {
        let types = [ValueType::Number, ValueType::Bool, ValueType::Text];
        let sensors: Vec<Arc<Sensor>> = (1..).zip(types).map(|(n, t)| sensor(n, t)).collect();
        let mut world = Self { store, sensors, committed: Vec::new(), clause: Clause(name) };
        let mut changes = vec![Change::PutDevice(Arc::new(device()))];
        changes.extend(world.sensors.iter().cloned().map(Change::PutSensor));
        world.change(changes).await;
        world
    }

    /// A reading of one of the sensors, good and synced.
    pub(crate) fn reading(&self, sensor: usize, us: i64, value: impl Into<Value>) -> Reading {
        Reading {
            sensor: Arc::clone(&self.sensors[sensor]),
            ts: at(us),
            value: Some(value.into()),
            quality: Quality::Good,
            time: TimeQuality::Synced,
        }
    }

    /// Commits readings as one batch.
    pub(crate) async fn commit(&mut self, readings: Vec<Reading>) -> Figures {
        self.commit_all(vec![readings]).await
    }

    /// Commits batches of readings in one transaction.
    pub(crate) async fn commit_all(&mut self, batches: Vec<Vec<Reading>>) -> Figures {
        let first = self.end().plus(1);
        let mut seq = first;
        for reading in batches.iter().flatten() {
            let point = Point {
                ts: reading.ts,
                value: reading.value.clone(),
                quality: reading.quality.clone(),
                time: reading.time,
            };
            self.committed.push(Logged { seq, sensor: reading.sensor.no, point });
            seq = seq.plus(1);
        }
        let batches = batches.into_iter().map(Arc::from).collect();
        let commit = Commit { first, batches, ..Commit::default() };
        self.clause.done(self.store.log.commit(&commit).await).figures
    }

    /// Commits changes alone.
    pub(crate) async fn change(&mut self, changes: Vec<Change>) -> Figures {
        let commit = Commit { first: self.end().plus(1), changes, ..Commit::default() };
        self.clause.done(self.store.log.commit(&commit).await).figures
    }

    /// The place of the last reading that was committed here.
    pub(crate) fn end(&self) -> Seq {
        self.committed.last().map_or(Seq(0), |last| last.seq)
    }

    /// The whole log, read in pages.
    pub(crate) async fn log(&self, limit: usize) -> Vec<Logged> {
        let (mut all, mut from) = (Vec::new(), Seq(1));
        loop {
            let page = self.clause.done(self.store.log.read(from, limit).await);
            self.clause.holds(page.readings.len() <= limit, page.readings.len());
            let done = page.next == from;
            (all, from) = ([all, page.readings].concat(), page.next);
            if done {
                return all;
            }
        }
    }
}

/// The suites' device.
pub(crate) fn device() -> Device {
    Device {
        no: DeviceNo(1),
        id: id("probe"),
        hardware: Some("28-0316a2795fff".to_owned()),
        name: Some("Probe".to_owned()),
        kind: "simulator".to_owned(),
        home: Home::Api,
        manufacturer: None,
        model: Some("P1".to_owned()),
        area: None,
        labels: vec!["a label".to_owned()],
        icon: None,
        attributes: BTreeMap::from([("firmware".to_owned(), "1.2".to_owned())]),
        first_seen: at(0),
        commands: Vec::new(),
        removed: false,
    }
}

/// A sensor of that device.
pub(crate) fn sensor(no: u32, value_type: ValueType) -> Arc<Sensor> {
    Arc::new(Sensor {
        no: SensorNo(no),
        device_no: DeviceNo(1),
        id: SensorId { device: id("probe"), key: key(&format!("s{no}")) },
        name: None,
        value_type,
        unit: None,
        display_unit: None,
        precision: None,
        class: None,
        resolution: None,
        calibration: None,
        retention_days: None,
    })
}

/// The time of a reading taken before the clock was set.
pub(crate) fn unsynced(boot: u32, monotonic_us: i64) -> TimeQuality {
    TimeQuality::Unsynced { boot: BootId(boot), monotonic_us }
}

fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap_or_else(|error| panic!("the suite's own device: {error}"))
}

fn key(text: &str) -> SensorKey {
    SensorKey::parse(text).unwrap_or_else(|error| panic!("the suite's own sensor: {error}"))
}

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that begin anew.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    /// A number below `n`, signed.
    pub(crate) fn time(&mut self, n: i64) -> i64 {
        i64::try_from(self.below(n.unsigned_abs())).unwrap_or(0)
    }
}

//! A store in memory, for tests and simulations: `memory:NAME`.
//!
//! It keeps what a database would keep: a gateway that is dropped and started again on the same
//! name finds what was committed. Its commits can be made to fail, before or after they took
//! effect, as a disk's do.

mod history;
mod log;
mod registry;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use iot_core::domain::{
    AuditEntry, BootId, CommandRecord, InstanceName, InstanceRecord, PluginRecord, Point, Sensor,
    SensorNo, SettingKey, State, TimeQuality, Timestamp, TokenRecord,
};
use iot_core::port::{
    CursorMove, CursorName, Figures, Keeper, LogErrorKind, Logged, Store, StoreError, StoreOptions,
    StoredDevice, Usage,
};

iot_core::register_store!("memory", open);

/// How the next commits go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// They do not.
    #[default]
    None,
    /// Nothing is kept, and an error is told.
    Before(LogErrorKind),
    /// Everything is kept, and an error is told all the same.
    After,
}

#[derive(Debug, Default)]
struct Contents {
    log: Vec<Option<Logged>>,
    figures: Figures,
    cursors: BTreeMap<CursorName, CursorMove>,
    devices: BTreeMap<u32, StoredDevice>,
    sensors: BTreeMap<u32, Sensor>,
    instances: BTreeMap<InstanceName, InstanceRecord>,
    states: BTreeMap<InstanceName, State>,
    plugins: BTreeMap<String, PluginRecord>,
    settings: BTreeMap<SettingKey, serde_json::Value>,
    tokens: BTreeMap<String, TokenRecord>,
    commands: Vec<CommandRecord>,
    audit: Vec<AuditEntry>,
    corrections: BTreeMap<BootId, i64>,
    fault: Fault,
    commits: u64,
}

/// A store in memory. Clones and gateways of one name share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Contents>>);

impl Memory {
    /// The store of this name, made at first sight.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static ALL: OnceLock<Mutex<HashMap<String, Memory>>> = OnceLock::new();
        let mut all =
            ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_default().clone()
    }

    /// It as a gateway's store.
    #[must_use]
    pub fn store(&self) -> Store {
        let all = Arc::new(self.clone());
        Store { log: all.clone(), history: all.clone(), registry: all.clone(), keeper: all }
    }

    /// How commits go wrong from now on.
    pub fn fail(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// How many commits there were.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Everything in the log, removed readings left out.
    #[must_use]
    pub fn logged(&self) -> Vec<Logged> {
        self.lock().log.iter().flatten().cloned().collect()
    }

    /// All commands on file.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandRecord> {
        self.lock().commands.clone()
    }

    /// A sensor's readings by time: for one instant the last by `seq` counts.
    fn by_time(&self, sensor: SensorNo) -> BTreeMap<Timestamp, Point> {
        let contents = self.lock();
        let own = contents.log.iter().flatten().filter(|logged| logged.sensor == sensor);
        own.map(|logged| contents.corrected(&logged.point)).map(|p| (p.ts, p)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// A reading with the time that is known by now.
    fn corrected(&self, point: &Point) -> Point {
        match point.time {
            TimeQuality::Unsynced { boot, monotonic_us } => match self.corrections.get(&boot) {
                Some(offset) => Point {
                    ts: Timestamp::from_micros(monotonic_us + offset),
                    time: TimeQuality::Synced,
                    ..point.clone()
                },
                None => point.clone(),
            },
            _ => point.clone(),
        }
    }
}

async fn open(options: StoreOptions) -> Result<Store, StoreError> {
    let name = options.url.split_once(':').map_or("", |(_, name)| name);
    Ok(Memory::named(name).store())
}

#[async_trait]
impl Keeper for Memory {
    fn usage(&self) -> Usage {
        Usage { used: self.lock().log.len() as u64 * 64, cap: 1 << 30 }
    }

    async fn close(&self) {}
}

//! What a gateway says of itself: settings in force, kinds, diagnostics.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value as Json;

use super::handle::Handle;
use crate::domain::{KindName, SettingKey, SettingSource, SettingView};
use crate::ledger::LedgerView;
use crate::port::{BrokerView, KindInfo, LinkView, LogErrorKind, PluginKind, Usage};

/// Settings in force: the default, what was stored, and what overrides it.
#[derive(Debug)]
pub(crate) struct Settings(RwLock<Layers>);

#[derive(Debug, Default)]
struct Layers {
    stored: BTreeMap<SettingKey, Json>,
    overrides: BTreeMap<SettingKey, (Json, SettingSource)>,
}

impl Settings {
    pub(crate) fn new(
        stored: Vec<(SettingKey, Json)>,
        overrides: Vec<(SettingKey, Json, SettingSource)>,
    ) -> Self {
        let settings = Self(RwLock::new(Layers {
            stored: stored.into_iter().collect(),
            overrides: BTreeMap::new(),
        }));
        settings.override_with(overrides);
        settings
    }

    pub(crate) fn override_with(&self, overrides: Vec<(SettingKey, Json, SettingSource)>) {
        let mut layers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        layers.overrides =
            overrides.into_iter().map(|(key, value, source)| (key, (value, source))).collect();
    }

    pub(crate) fn store(&self, key: SettingKey, value: Option<Json>) {
        let mut layers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => layers.stored.insert(key, value),
            None => layers.stored.remove(&key),
        };
    }

    pub(crate) fn view(&self, key: SettingKey) -> SettingView {
        let layers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let default = key.default_value();
        let (value, source) = if let Some((value, source)) = layers.overrides.get(&key) {
            (value.clone(), *source)
        } else if let Some(value) = layers.stored.get(&key) {
            (value.clone(), SettingSource::Stored)
        } else {
            (default.clone(), SettingSource::Default)
        };
        SettingView { key, value, default, source }
    }

    /// Looks at a setting's value where it lies, as is done for each batch that comes in; none where
    /// it is the default.
    pub(crate) fn look<R>(&self, key: SettingKey, look: impl FnOnce(Option<&Json>) -> R) -> R {
        let layers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let overridden = layers.overrides.get(&key).map(|(value, _)| value);
        look(overridden.or_else(|| layers.stored.get(&key)))
    }

    pub(crate) fn views(&self) -> Vec<SettingView> {
        SettingKey::ALL.into_iter().map(|key| self.view(key)).collect()
    }

    pub(crate) fn text(&self, key: SettingKey) -> String {
        self.view(key).value.as_str().unwrap_or_default().to_owned()
    }
}

/// The plugin kinds of this gateway.
#[derive(Clone, Default)]
pub(crate) struct Kinds(pub(crate) BTreeMap<KindName, Arc<dyn PluginKind>>);

/// A plugin kind as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct KindView {
    /// What is known of it.
    pub info: KindInfo,
    /// `loaded`, `failed`, `gone`.
    pub state: &'static str,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Whether the store can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum StoreState {
    /// It can.
    Ok,
    /// It has no room.
    Full(String),
    /// It cannot, for another reason.
    Failing(String),
}

/// What a gateway says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// What became of each reading.
    pub ledger: LedgerView,
    /// Devices by state.
    pub devices: BTreeMap<&'static str, usize>,
    /// Sensors.
    pub sensors: usize,
    /// Instances by state.
    pub instances: BTreeMap<&'static str, usize>,
    /// Readings a second, smoothed over some seconds.
    pub readings_per_s: f64,
    /// Room on disk.
    pub usage: Usage,
    /// Days until the disk cap bites at the pace since the start; none where that cannot be told.
    pub days_left: Option<f64>,
    /// Whether the store can be written.
    pub store: StoreState,
    /// Commands that are not over.
    pub commands_open: usize,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// What the gateway was built from.
    pub build: String,
}

impl Handle {
    /// All plugin kinds.
    #[must_use]
    pub fn kinds(&self) -> Vec<KindView> {
        let view = |kind: &Arc<dyn PluginKind>| KindView {
            info: kind.describe(),
            state: "loaded",
            last_error: None,
        };
        self.shared.kinds.0.values().map(view).collect()
    }

    /// The links to other brokers, by name.
    #[must_use]
    pub fn links(&self) -> Vec<LinkView> {
        let mut all: Vec<LinkView> =
            self.shared.links.iter().flat_map(|links| links.links()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The embedded broker; none where no layer is one.
    #[must_use]
    pub fn broker(&self) -> Option<BrokerView> {
        self.shared.broker.as_ref().map(|broker| broker.broker())
    }

    /// Whether the store can be written.
    #[must_use]
    pub fn store_state(&self) -> StoreState {
        match self.shared.failing.load_full() {
            None => StoreState::Ok,
            Some(error) if error.kind == LogErrorKind::Full => StoreState::Full(error.why.clone()),
            Some(error) => StoreState::Failing(error.why.clone()),
        }
    }

    /// What the gateway says of itself.
    #[must_use]
    pub fn diagnostics(&self) -> Diagnostics {
        let mut devices: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut sensors = 0;
        for entry in self.shared.catalogue.read().devices.values().filter(|e| !e.device.removed) {
            *devices.entry(entry.state.word()).or_default() += 1;
            sensors += entry.sensors.len();
        }
        let mut instances: BTreeMap<&'static str, usize> = BTreeMap::new();
        for status in self.instances() {
            *instances.entry(status.state.word()).or_default() += 1;
        }
        let mut usage = self.shared.store.keeper.usage();
        if let Some(cap) = self.shared.settings.view(SettingKey::DiskCap).value.as_u64() {
            usage.cap = cap;
        }
        let ledger = self.shared.ledger.view();
        Diagnostics {
            days_left: self.days_left(&ledger, usage),
            ledger,
            devices,
            sensors,
            instances,
            readings_per_s: self.shared.rate.get(),
            usage,
            store: self.store_state(),
            commands_open: self.shared.dispatcher.open_count(),
            uptime_s: self.shared.began.elapsed().as_secs(),
            build: self.shared.build.clone(),
        }
    }

    /// Bytes a reading so far, at the pace of now.
    fn days_left(&self, ledger: &LedgerView, usage: Usage) -> Option<f64> {
        let rate = self.shared.rate.get();
        let enough = ledger.kept >= 10_000 && rate > 0.01;
        let each = usage.used as f64 / ledger.kept.max(1) as f64;
        enough.then(|| usage.cap.saturating_sub(usage.used) as f64 / (each * rate) / 86_400.0)
    }
}

//! The start: checks what a gateway is made of, opens its store, takes up what that holds, opens the
//! layers, starts the instances.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde_json::Value as Json;
use tokio::sync::watch;

use super::builder::Builder;
use super::desk::InstanceDesk;
use super::handle::{Handle, Shared};
use super::running::{Running, Tasked};
use super::status::{Kinds, Settings};
use crate::access::TokenAccess;
use crate::clock::SystemClock;
use crate::domain::{
    GatewayId, IdError, InstanceName, InstanceRecord, KindName, PluginRecord, TimeQuality,
};
use crate::ledger::Ledger;
use crate::pipeline::bus::Bus;
use crate::pipeline::catalogue::Catalogue;
use crate::pipeline::command::{Dispatcher, left_over};
use crate::pipeline::intake::Intake;
use crate::pipeline::latest::Latest;
use crate::pipeline::presence::{Presence, Rate};
use crate::pipeline::queue::Queue;
use crate::pipeline::refused::Refused;
use crate::pipeline::writer::Writer;
use crate::port::{
    Change, Clock, CommandRoute, ConfigError, KindInfo, Launch, LayerError, PluginKind, StoreError,
};
use crate::registry::{Registered, RegistryError};

/// How long a start waits for the outcomes of commands that a crash left open.
const LEFT_OVER: Duration = Duration::from_secs(2);

/// A gateway did not start. Each message is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A kind, scheme or layer is missing or there twice.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was opened and could not be read.
    #[error("the store could not be read: {0}")]
    Read(String),
    /// An instance's configuration is wrong.
    #[error("instance {instance}: {error}")]
    Instance {
        /// Which.
        instance: InstanceName,
        /// What and where.
        error: ConfigError,
    },
    /// Two instances have one name.
    #[error("there are two instances named {0}; give one of them another name")]
    TwoInstances(InstanceName),
    /// A layer's configuration is wrong.
    #[error("layer {layer}: {error}")]
    LayerConfig {
        /// Which.
        layer: &'static str,
        /// What and where.
        error: ConfigError,
    },
    /// A layer could not be opened.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// There are instances and nothing to run them.
    #[error(
        "there are instances and no plugin host is linked; name the crate that brings one, as in `use iot_plugins as _;`"
    )]
    NoHost,
    /// A name given to the builder does not fit.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A setting that overrides a stored one does not fit.
    #[error("setting {key} {why}")]
    Setting {
        /// Which.
        key: &'static str,
        /// What would fit.
        why: String,
    },
}

impl Builder {
    /// Checks what can be checked without touching the world: kinds, configurations, layers.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), StartError> {
        let registered = Registered::collect()?;
        registered.store(&self.store.url)?;
        for (key, value, _) in &self.overrides {
            key.check(value).map_err(|why| StartError::Setting { key: key.word(), why })?;
        }
        for (n, (record, kind)) in self.instances.iter().enumerate() {
            if self.instances[..n].iter().any(|(other, _)| other.name == record.name) {
                return Err(StartError::TwoInstances(record.name.clone()));
            }
            let kind = match kind {
                Some(kind) => kind.clone(),
                None => self.find_kind(&registered, &record.kind)?,
            };
            kind.validate(&record.config)
                .map_err(|error| StartError::Instance { instance: record.name.clone(), error })?;
        }
        for layer in &self.layers {
            layer
                .validate()
                .map_err(|error| StartError::LayerConfig { layer: layer.name(), error })?;
        }
        Ok(())
    }

    fn find_kind(
        &self,
        registered: &Registered,
        name: &KindName,
    ) -> Result<Arc<dyn PluginKind>, RegistryError> {
        match self.kinds.iter().find(|kind| kind.describe().kind == *name) {
            Some(kind) => Ok(kind.clone()),
            None => registered.plugin(name.as_str()),
        }
    }

    /// Opens the store, takes up what it holds, opens the layers, starts the instances.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do; nothing runs then.
    pub async fn start(mut self) -> Result<Running, StartError> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        self.validate()?;
        let registered = Registered::collect()?;
        let store = (registered.store(&self.store.url)?.open)(self.store.clone()).await?;
        let keeper = store.keeper.clone();
        match self.start_on(store, &registered).await {
            Ok(running) => Ok(running),
            Err(error) => {
                keeper.close().await;
                Err(error)
            }
        }
    }

    async fn start_on(
        mut self,
        store: crate::port::Store,
        registered: &Registered,
    ) -> Result<Running, StartError> {
        let read = |e: &dyn std::fmt::Display| StartError::Read(e.to_string());
        let log = &store.log;
        let registry = &store.registry;
        let clock: Arc<dyn Clock> = match self.clock.take() {
            Some(clock) => clock,
            None => Arc::new(SystemClock::new(self.always_trust_time)),
        };
        let figures = log.figures().await.map_err(|e| read(&e))?;
        let end = log.end().await.map_err(|e| read(&e))?;
        let cursors = log.cursors().await.map_err(|e| read(&e))?;
        let tokens = registry.tokens().await.map_err(|e| read(&e))?;
        let stored_instances = registry.instances().await.map_err(|e| read(&e))?;
        let stored_settings = registry.settings().await.map_err(|e| read(&e))?;
        let id = match self.id.take() {
            Some(id) => id,
            None => GatewayId::parse(&registry.gateway_id().await.map_err(|e| read(&e))?)?,
        };

        let ledger = Arc::new(Ledger::new(figures, cursors));
        let queue = Arc::new(Queue::new());
        let bus = Arc::new(Bus::new(fastrand::u64(..)));
        let latest = Arc::new(Latest::default());
        let points = store.history.latest().await.map_err(|e| read(&e))?;
        let synced = points.iter().filter(|(_, point)| point.time == TimeQuality::Synced);
        if let Some(newest) = synced.map(|(_, point)| point.ts).max() {
            clock.newest_committed(newest);
        }
        latest.restore(points);
        let catalogue =
            Arc::new(Catalogue::new(self.limits, queue.clone(), bus.clone(), latest.clone()));
        catalogue.restore(
            registry.devices().await.map_err(|e| read(&e))?,
            registry.sensors().await.map_err(|e| read(&e))?,
        );
        let tokens = Arc::new(TokenAccess::new(tokens, clock.clone()));
        let host = self.host.take().or_else(|| registered.host());
        let mut routes = std::mem::take(&mut self.routes);
        routes.extend(host.clone().map(|host| host as Arc<dyn CommandRoute>));
        routes.extend(self.layers.iter().filter_map(|layer| layer.command_route()));
        let links = self.layers.iter().filter_map(|layer| layer.links()).collect();
        let broker = self.layers.iter().find_map(|layer| layer.broker());
        let (dispatcher, dispatch) =
            Dispatcher::new(queue.clone(), registry.clone(), clock.clone(), routes);
        let failing = Arc::new(ArcSwapOption::empty());
        let rate = Arc::new(Rate::default());
        let intake = Intake {
            catalogue: catalogue.clone(),
            latest: latest.clone(),
            bus: bus.clone(),
            queue: queue.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            order: std::sync::Mutex::new(()),
        };
        let mut tasked = Tasked::new();
        tasked.writer(Writer {
            log: log.clone(),
            queue: queue.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            failing: failing.clone(),
            wear: self.wear,
            next: end.plus(1),
            give_up: tasked.give_up.clone(),
        });
        let presence = Presence {
            catalogue: catalogue.clone(),
            queue: queue.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            rate: rate.clone(),
        };
        let stop = tasked.tasks.stop_signal();
        tasked.tasks.spawn("presence", presence.run(stop.clone()));
        tasked.tasks.spawn("commands", dispatch.run(stop));

        let kinds = self.all_kinds(registered)?;
        let shared = Arc::new(Shared {
            id,
            started: clock.now().wall,
            began: tokio::time::Instant::now(),
            build: std::mem::take(&mut self.build),
            access: self.access.take().unwrap_or_else(|| tokens.clone()),
            tokens,
            ledger,
            refused: Refused::default(),
            queue,
            bus,
            latest,
            catalogue,
            intake,
            dispatcher: Arc::new(dispatcher),
            failing,
            rate,
            host,
            links,
            broker,
            kinds,
            settings: Settings::new(stored_settings, std::mem::take(&mut self.overrides)),
            settings_changed: watch::Sender::new(0),
            senders: AtomicU64::new(1),
            clock,
            store,
        });
        let handle = Handle { shared };
        let mut running = Running::new(handle.clone(), tasked);
        let started = async {
            let open = handle.registry().open_commands().await.map_err(|e| read(&e))?;
            let ended = handle.shared.queue.change(left_over(open), true);
            // A store that cannot be written now stops no start: the outcomes stay queued.
            if let Some(mut ended) = ended {
                drop(tokio::time::timeout(LEFT_OVER, ended.committed()).await);
            }
            let mut instances = stored_instances;
            if self.run_instances {
                instances.extend(self.record_kinds(&handle).await?);
            }
            let layers = running.open_layers(std::mem::take(&mut self.layers)).await?;
            self.start_instances(&handle, instances).await?;
            running.run_layers(layers);
            Ok(())
        }
        .await;
        match started {
            Ok(()) => Ok(running),
            Err(error) => {
                running.stop().await;
                Err(error)
            }
        }
    }

    fn all_kinds(&self, registered: &Registered) -> Result<Kinds, StartError> {
        let mut kinds = Kinds::default();
        for name in registered.plugin_kinds() {
            kinds.0.insert(KindName::parse(name)?, registered.plugin(name)?);
        }
        let coded = self.instances.iter().filter_map(|(_, kind)| kind.as_ref());
        for kind in self.kinds.iter().chain(coded) {
            kinds.0.insert(kind.describe().kind, kind.clone());
        }
        Ok(kinds)
    }

    /// The plugin registry on disk learns which kinds are there. Where it has never heard of any,
    /// this is the very first start: the first instances are made with it, on disk before any layer
    /// opens.
    async fn record_kinds(&mut self, handle: &Handle) -> Result<Vec<InstanceRecord>, StartError> {
        let read = |e: &dyn std::fmt::Display| StartError::Read(e.to_string());
        let known = handle.registry().plugins().await.map_err(|e| read(&e))?;
        let now = handle.clock().wall;
        let record = |info: KindInfo, state: &str| {
            let before = known.iter().find(|record| record.kind == info.kind);
            Change::PutPlugin(PluginRecord {
                kind: info.kind,
                version: info.version,
                door: info.door.to_owned(),
                path: None,
                hash: None,
                grants: Json::Null,
                state: state.to_owned(),
                last_error: None,
                first_seen: before.map_or(now, |record| record.first_seen),
                last_seen: now,
            })
        };
        let kinds = handle.kinds().into_iter().map(|view| record(view.info, view.state));
        let mut changes: Vec<Change> = kinds.collect();
        if !known.is_empty() {
            // They ride on the next commit: the queue is open, for nothing has stopped it yet.
            drop(handle.shared.queue.change(changes, false));
            return Ok(Vec::new());
        }
        // One that the configuration has of the same kind takes its place.
        let configured = |kind: &KindName| self.instances.iter().any(|(r, _)| r.kind == *kind);
        let mut first = std::mem::take(&mut self.first);
        first.retain(|record| !configured(&record.kind));
        changes.extend(first.iter().cloned().map(Change::PutInstance));
        if !changes.is_empty() {
            handle.change(changes).await.map_err(|e| read(&e))?;
        }
        Ok(first)
    }

    async fn start_instances(
        &mut self,
        handle: &Handle,
        stored: Vec<InstanceRecord>,
    ) -> Result<(), StartError> {
        let mut all = std::mem::take(&mut self.instances);
        for record in stored {
            if all.iter().any(|(other, _)| other.name == record.name) {
                tracing::warn!(instance = %record.name, "an instance of the configuration hides one of the same name in the store");
            } else {
                all.push((record, None));
            }
        }
        if !self.run_instances || all.is_empty() {
            return Ok(());
        }
        let host = handle.shared.host.clone().ok_or(StartError::NoHost)?;
        for (record, kind) in all {
            let kind = kind.or_else(|| handle.shared.kinds.0.get(&record.kind).cloned());
            let Some(kind) = kind else {
                tracing::error!(instance = %record.name, kind = %record.kind, "an instance's plugin kind is not part of this program; the instance is left alone");
                continue;
            };
            let state = handle.registry().state(&record.name).await;
            let state = state.map_err(|e| StartError::Read(e.to_string()))?;
            let (name, kind_name) = (record.name.clone(), record.kind.clone());
            let desk = Arc::new(InstanceDesk::new(&handle.shared, name, kind_name));
            host.start(Launch { record, kind, desk, state }).await;
        }
        Ok(())
    }
}

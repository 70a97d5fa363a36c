//! The builder: says what a gateway is made of.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::start::StartError;
use crate::adapter::{Linked, Out, PollFn};
use crate::domain::{GatewayId, InstanceName, InstanceRecord, Origin, SettingKey, SettingSource};
use crate::pipeline::catalogue::Limits;
use crate::pipeline::policy::Wear;
use crate::port::{
    Access, Clock, CommandRoute, ConfigError, Layer, Plugin, PluginHost, PluginKind, StoreOptions,
    Synchronous,
};

/// An IoT gateway, before it runs.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Begins to say what the gateway is made of.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// What a gateway is made of.
pub struct Builder {
    pub(super) store: StoreOptions,
    pub(super) wear: Wear,
    pub(super) id: Option<GatewayId>,
    pub(super) build: String,
    pub(super) always_trust_time: bool,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) access: Option<Arc<dyn Access>>,
    pub(super) host: Option<Arc<dyn PluginHost>>,
    pub(super) routes: Vec<Arc<dyn CommandRoute>>,
    pub(super) kinds: Vec<Arc<dyn PluginKind>>,
    pub(super) instances: Vec<(InstanceRecord, Option<Arc<dyn PluginKind>>)>,
    pub(super) first: Vec<InstanceRecord>,
    pub(super) run_instances: bool,
    pub(super) overrides: Vec<(SettingKey, Json, SettingSource)>,
    pub(super) layers: Vec<Box<dyn Layer>>,
    pub(super) limits: Limits,
    pub(super) wrong: Option<StartError>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: StoreOptions {
                url: "sqlite:iot.db".to_owned(),
                data_dir: PathBuf::from("."),
                synchronous: Synchronous::Full,
                disk_cap: None,
            },
            wear: Wear::Ssd,
            id: None,
            build: concat!("iot-core ", env!("CARGO_PKG_VERSION")).to_owned(),
            always_trust_time: false,
            clock: None,
            access: None,
            host: None,
            routes: Vec::new(),
            kinds: Vec::new(),
            instances: Vec::new(),
            first: Vec::new(),
            run_instances: true,
            overrides: Vec::new(),
            layers: Vec::new(),
            limits: Limits::default(),
            wrong: None,
        }
    }
}

impl Builder {
    /// Where the gateway keeps what it knows: `sqlite:data/iot.db`.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store.url = url.into();
        self
    }

    /// The folder that a relative store address starts from; the current one unless said.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.store.data_dir = dir.into();
        self
    }

    /// When a commit counts as done.
    #[must_use]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.store.synchronous = synchronous;
        self
    }

    /// How much the disk minds small commits.
    #[must_use]
    pub fn wear(mut self, wear: Wear) -> Self {
        self.wear = wear;
        self
    }

    /// The most that the data folder may hold, in bytes; none for half of what is free.
    #[must_use]
    pub fn disk_cap(mut self, bytes: Option<u64>) -> Self {
        self.store.disk_cap = bytes;
        self
    }

    /// The gateway's identity; without it, one is made once and kept in the store.
    #[must_use]
    pub fn gateway_id(mut self, id: Option<GatewayId>) -> Self {
        self.id = id;
        self
    }

    /// What the program was built from, for diagnostics and the page.
    #[must_use]
    pub fn build_id(mut self, build: impl Into<String>) -> Self {
        self.build = build.into();
        self
    }

    /// Trusts the machine's clock without asking whether it was set.
    #[must_use]
    pub fn trust_time(mut self, always: bool) -> Self {
        self.always_trust_time = always;
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Another decision about access than by tokens.
    #[must_use]
    pub fn access(mut self, access: Arc<dyn Access>) -> Self {
        self.access = Some(access);
        self
    }

    /// Another plugin host than the one that is linked.
    #[must_use]
    pub fn host(mut self, host: Arc<dyn PluginHost>) -> Self {
        self.host = Some(host);
        self
    }

    /// A way of commands to devices that no plugin speaks to.
    #[must_use]
    pub fn command_route(mut self, route: Arc<dyn CommandRoute>) -> Self {
        self.routes.push(route);
        self
    }

    /// How many devices and sensors there may be.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Settings that file, environment or flags decide.
    #[must_use]
    pub fn overrides(mut self, overrides: Vec<(SettingKey, Json, SettingSource)>) -> Self {
        self.overrides = overrides;
        self
    }

    /// A plugin kind beside the registered ones.
    #[must_use]
    pub fn kind(mut self, kind: Arc<dyn PluginKind>) -> Self {
        self.kinds.push(kind);
        self
    }

    /// An instance of a plugin type.
    #[must_use]
    pub fn plugin<P: Plugin>(mut self, name: &str, config: impl Serialize) -> Self {
        match serde_json::to_value(config) {
            Ok(config) => self.coded(name, Arc::new(Linked::<P>::new("code")), config),
            Err(error) => {
                let error = ConfigError::at("", error.to_string());
                if let Ok(instance) = InstanceName::parse(name) {
                    self.wrong.get_or_insert(StartError::Instance { instance, error });
                }
                self
            }
        }
    }

    /// A closure that is called once a second and writes readings of one device, named `name`.
    #[must_use]
    pub fn poll_fn<F>(self, name: &str, closure: F) -> Self
    where
        F: FnMut(&mut Out<'_>) + Send + 'static,
    {
        self.coded(name, PollFn::kind(closure), Json::Null)
    }

    fn coded(mut self, name: &str, kind: Arc<dyn PluginKind>, config: Json) -> Self {
        match InstanceName::parse(name) {
            Ok(name) => {
                let record = InstanceRecord {
                    name,
                    kind: kind.describe().kind,
                    config,
                    origin: Origin::Code,
                    enabled: true,
                };
                self.instances.push((record, Some(kind)));
            }
            Err(error) => {
                self.wrong.get_or_insert(error.into());
            }
        }
        self
    }

    /// An instance of a kind that is found by name.
    #[must_use]
    pub fn instance(mut self, record: InstanceRecord) -> Self {
        self.instances.push((record, None));
        self
    }

    /// An instance that is made in the store at the very first start, and can then be changed and
    /// removed like any other.
    #[must_use]
    pub fn first_instance(mut self, record: InstanceRecord) -> Self {
        self.first.push(record);
        self
    }

    /// Starts no instances: for commands on a gateway's data while it does not run.
    #[must_use]
    pub fn without_instances(mut self) -> Self {
        self.run_instances = false;
        self
    }

    /// A layer: MQTT, HTTP, one of your own.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Box::new(layer));
        self
    }
}

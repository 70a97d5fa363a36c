//! A Rust type or a closure as a plugin kind.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::domain::{
    Batch, DeviceId, DeviceSpec, IdError, KindName, SensorKey, SensorSpec, Value, ValueType,
};
use crate::port::{
    ConfigError, DynPlugin, KindInfo, OpenCx, OpenError, Opening, Plugin, PluginKind, PollError,
};
use crate::schema::{self, Checker};

/// A [`Plugin`] type as a kind: the linked door.
pub struct Linked<P: Plugin> {
    kind: KindName,
    version: &'static str,
    schema: Json,
    checker: Checker,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Plugin> fmt::Debug for Linked<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linked({})", P::KIND)
    }
}

impl<P: Plugin> Linked<P> {
    /// The kind of a plugin type, at a version.
    ///
    /// # Panics
    /// When the type's `KIND` is not a kind's name, which its first test shows.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a constant of the source, seen by any test that runs it"
    )]
    pub fn new(version: &'static str) -> Self {
        let kind = KindName::parse(P::KIND).expect("Plugin::KIND fits its rule");
        let schema = schema::of::<P::Config>();
        let checker = Checker::new(&schema).expect("a schema that schemars wrote is a schema");
        Self { kind, version, schema, checker, plugin: PhantomData }
    }

    fn parse(&self, config: &Json) -> Result<P::Config, ConfigError> {
        self.checker.check(config)?;
        schema::read(config)
    }
}

impl<P: Plugin> PluginKind for Linked<P> {
    fn describe(&self) -> KindInfo {
        KindInfo {
            kind: self.kind.clone(),
            version: self.version.to_owned(),
            door: "linked",
            config_schema: self.schema.clone(),
            restartable: true,
        }
    }

    fn validate(&self, config: &Json) -> Result<(), ConfigError> {
        P::validate(&self.parse(config)?)
    }

    fn open<'a>(&'a self, config: Json, cx: OpenCx) -> Opening<'a> {
        Box::pin(async move {
            let config = self.parse(&config).map_err(|e| OpenError::never(e.to_string()))?;
            let plugin: Box<dyn DynPlugin> = Box::new(P::open(config, cx).await?);
            Ok(plugin)
        })
    }
}

/// What a closure writes its readings into: one device, named as the instance, whose sensors come
/// into being as they are named.
#[derive(Debug)]
pub struct Out<'a> {
    device: &'a DeviceId,
    known: &'a mut Vec<SensorSpec>,
    new: bool,
    batch: &'a mut Batch,
    wrong: Option<IdError>,
}

impl Out<'_> {
    /// A number of unit `1`.
    pub fn number(&mut self, key: &str, value: f64) {
        self.put(key, "1", Value::Number(value));
    }

    /// A number with a unit, a UCUM code: `Cel`, `%`, `W`.
    pub fn measured(&mut self, key: &str, unit: &str, value: f64) {
        self.put(key, unit, Value::Number(value));
    }

    /// A boolean.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.put(key, "", Value::Bool(value));
    }

    /// A text of up to 1 KiB.
    pub fn text(&mut self, key: &str, value: &str) {
        self.put(key, "", Value::from(value));
    }

    fn put(&mut self, key: &str, unit: &str, value: Value) {
        let key = match SensorKey::parse(key) {
            Ok(key) => key,
            Err(wrong) => {
                self.wrong = Some(wrong);
                return;
            }
        };
        if !self.known.iter().any(|s| s.key == key) {
            let mut spec = SensorSpec::of(key.clone(), value.value_type());
            spec.unit = (value.value_type() == ValueType::Number).then(|| unit.to_owned());
            self.known.push(spec);
            self.new = true;
        }
        self.batch.push(self.device, &key, value);
    }
}

/// The configuration of a closure's instance.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PollFnConfig {
    /// How often it is called.
    #[serde(default = "a_second")]
    #[schemars(range(min = 1))]
    interval_ms: u64,
}

fn a_second() -> u64 {
    1000
}

/// A closure as a plugin: `poll_fn("level", |out| out.number("level", 0.5))`. It is called once a
/// second (`interval_ms`), and not started again after a panic.
pub struct PollFn<F> {
    closure: Mutex<Option<F>>,
}

impl<F> fmt::Debug for PollFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PollFn")
    }
}

impl<F: FnMut(&mut Out<'_>) + Send + 'static> PollFn<F> {
    /// The name of its kind.
    pub const KIND: &'static str = "poll_fn";

    /// A closure as a kind.
    #[must_use]
    pub fn kind(closure: F) -> Arc<dyn PluginKind> {
        Arc::new(Self { closure: Mutex::new(Some(closure)) })
    }
}

struct PollFnPlugin<F> {
    closure: F,
    cx: OpenCx,
    device: DeviceId,
    sensors: Vec<SensorSpec>,
}

impl<F: FnMut(&mut Out<'_>) + Send + 'static> Plugin for PollFnPlugin<F> {
    const KIND: &'static str = PollFn::<F>::KIND;
    type Config = ();

    async fn open((): (), _: OpenCx) -> Result<Self, OpenError> {
        Err(OpenError::never("a closure is opened by its PollFn"))
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        let mut turn = Out {
            device: &self.device,
            known: &mut self.sensors,
            new: false,
            batch: out,
            wrong: None,
        };
        (self.closure)(&mut turn);
        let (new, wrong) = (turn.new, turn.wrong);
        if new {
            let mut spec = DeviceSpec::new(self.cx.instance.as_str());
            spec.sensors.clone_from(&self.sensors);
            self.cx.announce(spec).map_err(|e| PollError::retry(e.to_string()))?;
        }
        wrong.map_or(Ok(()), |wrong| Err(PollError::retry(wrong.to_string())))
    }
}

impl<F: FnMut(&mut Out<'_>) + Send + 'static> PluginKind for PollFn<F> {
    #[expect(clippy::expect_used, reason = "a constant of the source that fits the rule")]
    fn describe(&self) -> KindInfo {
        KindInfo {
            kind: KindName::parse(Self::KIND).expect("poll_fn fits the rule"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            door: "linked",
            config_schema: schema::of::<PollFnConfig>(),
            restartable: false,
        }
    }

    fn validate(&self, config: &Json) -> Result<(), ConfigError> {
        schema::read::<PollFnConfig>(config).map(drop)
    }

    fn open<'a>(&'a self, config: Json, cx: OpenCx) -> Opening<'a> {
        Box::pin(async move {
            let config: PollFnConfig =
                schema::read(&config).map_err(|e| OpenError::never(e.to_string()))?;
            cx.schedule.set(Duration::from_millis(config.interval_ms));
            let closure = self.closure.lock().unwrap_or_else(PoisonError::into_inner).take();
            let closure = closure
                .ok_or_else(|| OpenError::never("a closure cannot be started a second time"))?;
            let device = cx
                .announce(DeviceSpec::new(cx.instance.as_str()))
                .map_err(|e| OpenError::never(e.to_string()))?;
            let plugin: Box<dyn DynPlugin> =
                Box::new(PollFnPlugin { closure, cx, device, sensors: Vec::new() });
            Ok(plugin)
        })
    }
}

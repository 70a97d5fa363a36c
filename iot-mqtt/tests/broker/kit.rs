//! A gateway in memory with an embedded broker.

use std::net::SocketAddr;
use std::time::Duration;

use iot_core::domain::{
    Batch, DeviceId, GatewayId, Quality, Sample, SensorId, SensorKey, Timestamp, Value,
};
use iot_core::gateway::{Builder, Gateway, Running};
use iot_mqtt::config::BrokerConfig;
use iot_mqtt::{Addresses, Mqtt};
use iot_testkit::memory::Memory;
use iot_testkit::mqtt::{Client, Connect, Message, QoS, Version};
use iot_testkit::wait::until;

/// What a busy machine is given.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
/// How long nothing must come for nothing to come.
pub(crate) const QUIET: Duration = Duration::from_millis(300);
pub(crate) const VERSIONS: [Version; 2] = [Version::V3, Version::V5];

pub(crate) struct Rig {
    pub(crate) gateway: Running,
    pub(crate) store: Memory,
    pub(crate) addresses: Addresses,
}

impl Rig {
    /// A broker on loopback, with the defaults.
    pub(crate) async fn start(store: &str) -> Self {
        Self::with(store, local(), |builder| builder).await
    }

    pub(crate) async fn with(
        store: &str,
        config: BrokerConfig,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let mqtt = Mqtt::new().broker(config);
        let addresses = mqtt.addresses();
        let builder = Gateway::builder()
            .store(format!("memory:{store}"))
            .gateway_id(Some(GatewayId::parse("gw").unwrap()))
            .trust_time(true)
            .layer(mqtt);
        let gateway = more(builder).start().await.unwrap();
        Self { gateway, store: Memory::named(store), addresses }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses.tcp()[0]
    }

    pub(crate) async fn client(&self, version: Version, id: &str) -> Client {
        Connect::new(version, id).open(self.address()).await.unwrap()
    }

    /// Waits until a sensor's latest value is this.
    pub(crate) async fn latest(&self, sensor: &str, value: impl Into<Value>) {
        let (id, value) = (SensorId::parse(sensor).unwrap(), value.into());
        until(&format!("{sensor} = {value:?}"), WITHIN, async || {
            let latest = self.gateway.sensor(&id).and_then(|view| view.latest.clone());
            latest.and_then(|point| point.value) == Some(value.clone())
        })
        .await;
    }

    /// How many readings were refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.gateway.diagnostics().ledger.refused.get(reason).copied().unwrap_or(0)
    }
}

pub(crate) fn local() -> BrokerConfig {
    BrokerConfig::on(["127.0.0.1:0".parse().unwrap()])
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

/// A reading of the home `api`, taken long ago.
pub(crate) fn reading(device: &str, ms: i64, value: f64) -> Batch {
    let mut batch = Batch::new();
    batch.push_sample(Sample {
        device: self::device(device),
        key: SensorKey::parse("t").unwrap(),
        ts: Some(Timestamp::from_millis(1_700_000_000_000 + ms)),
        value: Some(Value::Number(value)),
        quality: Quality::Good,
    });
    batch
}

/// A publish of readings, to be acknowledged.
pub(crate) fn data(device: &str, payload: &str) -> Message {
    Message::new(format!("devices/{device}/data"), payload.to_owned()).qos(QoS::AtLeastOnce)
}

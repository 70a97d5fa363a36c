//! A gateway in memory with a link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{
    Batch, DeviceId, GatewayId, Origin, Quality, Sample, SensorKey, Timestamp, Value,
};
use iot_core::gateway::{Gateway, Running};
use iot_core::port::{LinkState, LinkView};
use iot_core::task;
use iot_mqtt::link::Link;
use iot_mqtt::link::config::{LinkConfig, LinkTable};
use iot_testkit::memory::Memory;
use iot_testkit::mqtt::{Client, Connect, Version};
use iot_testkit::servers::Mosquitto;
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a busy machine is given.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
pub(crate) const VERSIONS: [(Version, &str); 2] = [(Version::V3, "3.1.1"), (Version::V5, "5")];

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

pub(crate) fn broker() -> Mosquitto {
    Mosquitto::builder().start().unwrap()
}

/// A gateway with a link called `up`.
pub(crate) struct Rig {
    pub(crate) gateway: Running,
    pub(crate) store: Memory,
    link: Arc<Link>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Rig {
    /// A gateway on a store of its own, with a link to this broker.
    pub(crate) async fn start(store: &str, broker: SocketAddr, more: Json) -> Self {
        let mut table = json!({"name": "up", "url": format!("mqtt://{broker}")});
        for (key, value) in more.as_object().unwrap() {
            table[key] = value.clone();
        }
        let table: LinkTable = serde_json::from_value(table).unwrap();
        let config = LinkConfig::try_from(table).unwrap();
        let link = Arc::new(Link::new(config, Origin::Code));
        let gateway = Gateway::builder()
            .store(format!("memory:{store}"))
            .gateway_id(Some(GatewayId::parse("gw").unwrap()))
            .trust_time(true)
            .command_route(link.route())
            .start()
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let (ours, handle, stopped) = (link.clone(), gateway.handle(), stop.clone());
        let task = task::spawn(async move { ours.run(handle, stopped).await });
        let rig = Self { gateway, store: Memory::named(store), link, stop, task };
        // What is in the log before a new link has its cursor is not for it.
        until("the link has tried", WITHIN, async || rig.view().state != LinkState::Connecting)
            .await;
        rig
    }

    pub(crate) fn view(&self) -> LinkView {
        self.link.view()
    }

    /// Waits until the link stands so.
    pub(crate) async fn stands(&self, state: LinkState) -> LinkView {
        until(&format!("the link is {}", state.word()), WITHIN, async || {
            let view = self.view();
            if view.state == state { Ok(view) } else { Err(format!("{view:?}")) }
        })
        .await
    }

    /// Waits until everything in the log is acknowledged.
    pub(crate) async fn settled(&self) -> LinkView {
        until("everything is acknowledged", WITHIN, async || {
            let view = self.view();
            if view.lag == 0 && view.state != LinkState::Connecting {
                Ok(view)
            } else {
                Err(format!("{view:?}"))
            }
        })
        .await
    }

    /// Takes readings of one sensor in, a millisecond apart, and waits until they are on disk.
    pub(crate) async fn submit(&self, id: &str, from: i64, count: i64) {
        self.gateway.submit(numbers(id, from, count)).await.unwrap();
    }

    /// An orderly stop of the link, then of the gateway.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
        self.gateway.stop().await;
    }

    /// The link is gone without a word, as in a crash; the gateway goes on.
    pub(crate) async fn crash(self) -> Running {
        self.task.abort();
        let _ = self.task.await;
        self.gateway
    }
}

/// Readings `n` of a device, a millisecond apart; each says its own number.
pub(crate) fn numbers(id: &str, from: i64, count: i64) -> Batch {
    let mut batch = Batch::new();
    for n in from..from + count {
        batch.push_sample(Sample {
            device: device(id),
            key: SensorKey::parse("n").unwrap(),
            ts: Some(Timestamp::from_millis(1_767_225_600_000 + n)),
            value: Some(Value::Number(f64::from(u32::try_from(n).unwrap()))),
            quality: Quality::Good,
        });
    }
    batch
}

/// Somebody at the broker, who hears everything below `devices` and `gateways`.
pub(crate) async fn listener(broker: SocketAddr, version: Version) -> Client {
    use iot_testkit::mqtt::QoS;
    let mut client = Connect::new(version, "listener").open(broker).await.unwrap();
    for filter in ["devices/#", "gateways/#"] {
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    client
}

/// The next message on this topic.
pub(crate) async fn next_on(client: &mut Client, topic: &str) -> iot_testkit::mqtt::Message {
    loop {
        let message = client.expect_message().await.unwrap();
        if message.topic == topic {
            return message;
        }
    }
}

//! The embedded broker as an outlet of the log: what the gateway takes in by other ways is published
//! to its clients as to any other broker.

use std::future::ready;
use std::sync::Arc;

use bytestring::ByteString;
use iot_core::domain::Home;
use iot_core::pipeline::cursor::Begin;
use iot_core::port::{CursorName, LogError};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::PublishProperties;
use tokio_util::sync::CancellationToken;

use super::hub::{DOOR, Hub};
use super::message::Message;
use crate::link::announce::Announcer;
use crate::link::config::Devices;
use crate::link::figures::Figures;
use crate::link::message::{Answer, Answered, Lost, Message as Sent, Outlet};
use crate::link::messages::Rule;
use crate::link::publisher::Publisher;

/// How long the store is left alone that could not give the broker its cursor.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

impl Outlet for Arc<Hub> {
    fn wanted(&self) -> bool {
        self.anyone_subscribed()
    }

    fn largest(&self) -> usize {
        usize::MAX
    }

    async fn publish(&self, sent: &Sent) -> Result<Answered, Lost> {
        let user = sent.user.iter().map(|(key, value)| ((*key).into(), value.as_str().into()));
        let properties = PublishProperties {
            user_properties: user.collect(),
            correlation_data: sent.correlation.clone(),
            ..PublishProperties::default()
        };
        let message = Message {
            topic: ByteString::from(sent.topic.as_str()),
            payload: sent.payload.clone(),
            qos: QoS::AtLeastOnce,
            retain: sent.retain,
            properties: Some(Box::new(properties)),
            expires: None,
        };
        Hub::publish(self, message);
        // What is in its clients' queues is where it was to go.
        Ok(Box::pin(ready(Answer::Acknowledged)))
    }
}

/// Publishes readings, devices and the gateway's own status until told to stop.
pub(crate) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let announcer = Announcer {
        gateway: hub.gateway.clone(),
        devices: Devices::All,
        theirs: Home::MqttListener,
        describes_theirs: true,
        prefix: String::new(),
        retain: true,
    };
    let readings = async {
        let mut publisher = loop {
            match open(&hub).await {
                Ok(publisher) => break publisher,
                Err(error) => {
                    tracing::warn!(%error, "readings are not published to the embedded broker");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        publisher.run(&hub).await
    };
    let both = async { tokio::join!(readings, announcer.run(&hub, || {})) };
    if stop.run_until_cancelled(both).await.is_some() {
        tracing::error!("the embedded broker hears no more of the gateway");
    }
    // In memory, it answers at once.
    drop(Outlet::publish(&hub, &announcer.gateway_status(false)).await);
}

async fn open(hub: &Arc<Hub>) -> Result<Publisher, LogError> {
    let gateway = hub.gateway.clone();
    let rule = Rule {
        gateway: gateway.info().id,
        devices: Devices::All,
        theirs: Home::MqttListener,
        prefix: String::new(),
    };
    // Its clients' sessions live in memory, and so what was before this start is for nobody.
    let name = CursorName(DOOR.into());
    Publisher::open(gateway, name, Begin::Now, rule, Arc::new(Figures::default())).await
}

//! Readings as a subscriber of a broker hears them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use iot_core::task;
use iot_testkit::mqtt::{Connect, QoS};
use serde_json::Value as Json;
use tokio::task::JoinHandle;

/// Device, key, milliseconds; and the value in one spelling.
type Readings = BTreeMap<(String, String, i64), Json>;

/// A subscriber of all devices' readings.
pub(crate) struct Window {
    heard: Arc<Mutex<Readings>>,
    task: JoinHandle<()>,
}

impl Drop for Window {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Window {
    /// Listens at a broker from now on.
    pub(crate) async fn open(broker: SocketAddr) -> Self {
        let mut client = Connect::v5("window").open(broker).await.unwrap();
        client.subscribe("devices/+/data", QoS::AtLeastOnce).await.unwrap();
        let heard = Arc::new(Mutex::new(Readings::new()));
        let all = heard.clone();
        let task = task::spawn(async move {
            loop {
                let Ok(message) = client.expect_message().await else { return };
                let device = message.topic.split('/').nth(1).unwrap().to_owned();
                let mut payload: BTreeMap<String, Json> =
                    serde_json::from_slice(&message.payload).unwrap();
                let ts = payload.remove("ts").and_then(|ts| ts.as_i64()).unwrap();
                let mut all = all.lock().unwrap();
                for (key, value) in payload {
                    all.insert((device.clone(), key, ts), value);
                }
            }
        });
        Self { heard, task }
    }

    /// What was heard of this time; none before something later was.
    pub(crate) fn heard(&self, from: i64, to: i64) -> Option<Readings> {
        let all = self.heard.lock().unwrap();
        let newest = all.keys().map(|key| key.2).max()?;
        let within = |(key, value): (&(String, String, i64), &Json)| {
            (from..to).contains(&key.2).then(|| (key.clone(), value.clone()))
        };
        (newest >= to).then(|| all.iter().filter_map(within).collect())
    }
}

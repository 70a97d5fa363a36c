//! From a reading's sender to ten WebSockets, 200 readings a second.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use benches::gateway;
use futures_util::{SinkExt, StreamExt};
use iot_core::domain::{Batch, DeviceId, Principal, Role, Scope, SensorKey, TokenKind};
use iot_core::gateway::NewToken;
use iot_http::Http;
use iot_testkit::mqtt::{Connect, Message as Publish};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::mqtt::Gateway;

const SOCKETS: usize = 10;
const EVERY: Duration = Duration::from_millis(5);
/// What was sent last is there after this.
const LAST: Duration = Duration::from_millis(200);
const DEVICE: &str = "bench";

/// From `submit`: p50 and p99 over all sockets.
pub(crate) async fn run(long: Duration) -> anyhow::Result<String> {
    let data = crate::process::folder()?;
    let http = Http::on("127.0.0.1:0");
    let addresses = http.addresses();
    let running = gateway(data.path()).layer(http).start().await?;
    let new = NewToken {
        kind: TokenKind::Api,
        name: "bench".to_owned(),
        role: Role::Viewer,
        scope: Scope::All,
        lifetime: None,
    };
    let (token, _) = running.issue(&Principal::local(), new).await?;
    let listeners = Listeners::open(addresses.get()[0], token.reveal()).await?;
    let (device, key) = (DeviceId::parse(DEVICE)?, SensorKey::parse("n")?);
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(EVERY);
    let end = Instant::now() + long;
    while Instant::now() < end {
        tick.tick().await;
        let mut batch = Batch::new();
        batch.push(&device, &key, sent.len() as f64);
        sent.push(Instant::now());
        running.submit(batch).await?;
    }
    let took = listeners.took(&sent).await;
    running.stop().await;
    took
}

/// From a publish at QoS 1 to the server's broker: p50 and p99 over all sockets.
pub(crate) async fn by_mqtt(long: Duration) -> anyhow::Result<String> {
    let gateway = Gateway::start(None)?;
    let listeners = Listeners::open(gateway.http(), gateway.token()).await?;
    let mut client = Connect::v3("sender").open(gateway.broker()?).await?;
    let topic = format!("devices/{DEVICE}/data");
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(EVERY);
    let end = Instant::now() + long;
    while Instant::now() < end {
        tokio::select! {
            _ = tick.tick() => {
                let payload = format!(r#"{{"n":{}}}"#, sent.len());
                sent.push(Instant::now());
                client.publish(Publish::new(topic.as_str(), payload)).await?;
            }
            // Acknowledgements, which nobody waits for here.
            packet = client.recv() => drop(packet?),
        }
    }
    listeners.took(&sent).await
}

/// WebSockets that look at all devices.
struct Listeners {
    sockets: JoinSet<()>,
    hear: mpsc::Receiver<(u64, Instant)>,
}

impl Listeners {
    /// Opens them; each has had its snapshot.
    async fn open(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let (tell, hear) = mpsc::channel(100_000);
        let mut sockets = JoinSet::new();
        for _ in 0..SOCKETS {
            let (mut socket, _) =
                tokio_tungstenite::connect_async(format!("ws://{address}/api/v1/ws")).await?;
            let auth = json!({"type": "auth", "token": token}).to_string();
            socket.send(Message::text(auth)).await?;
            let subscribe = r#"{"type":"subscribe","id":1,"devices":["*"]}"#;
            socket.send(Message::text(subscribe)).await?;
            let tell = tell.clone();
            let (ready, is_ready) = oneshot::channel();
            sockets.spawn(async move {
                let mut ready = Some(ready);
                while let Some(Ok(message)) = socket.next().await {
                    let at = Instant::now();
                    let Message::Text(text) = message else { continue };
                    let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
                    if message["type"] == "snapshot"
                        && ready.take().is_some_and(|r| r.send(()).is_err())
                    {
                        return;
                    }
                    for number in numbers(&message) {
                        if tell.send((number, at)).await.is_err() {
                            return;
                        }
                    }
                }
            });
            is_ready.await?;
        }
        Ok(Self { sockets, hear })
    }

    /// How long readings took that were sent at these instants, by their numbers.
    async fn took(mut self, sent: &[Instant]) -> anyhow::Result<String> {
        tokio::time::sleep(LAST).await;
        self.sockets.shutdown().await;
        let mut took = Vec::new();
        while let Some((number, at)) = self.hear.recv().await {
            if let Some(from) = usize::try_from(number).ok().and_then(|n| sent.get(n)) {
                took.push(at - *from);
            }
        }
        took.sort();
        anyhow::ensure!(
            took.len() >= sent.len() * SOCKETS * 99 / 100,
            "{} of {} came",
            took.len(),
            sent.len() * SOCKETS
        );
        let at = |share: usize| took[took.len() * share / 100];
        Ok(format!("p50 {:.2?}, p99 {:.2?}, max {:.2?}", at(50), at(99), took[took.len() - 1]))
    }
}

/// The numbers that live readings of this bench carry.
fn numbers(message: &Value) -> impl Iterator<Item = u64> {
    let live = message["type"] == "readings";
    let readings = message["readings"].as_array().into_iter().flatten();
    let ours = readings.filter(move |reading| live && reading["device_id"] == DEVICE);
    ours.filter_map(|reading| Some(reading["value"].as_f64()? as u64))
}

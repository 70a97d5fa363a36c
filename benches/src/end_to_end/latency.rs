//! From `submit` to ten WebSockets, 200 readings a second.

use std::time::{Duration, Instant};

use benches::gateway;
use futures_util::{SinkExt, StreamExt};
use iot_core::domain::{Batch, DeviceId, Principal, Role, Scope, SensorKey, TokenKind};
use iot_core::gateway::NewToken;
use iot_http::Http;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const SOCKETS: usize = 10;
const EVERY: Duration = Duration::from_millis(5);

/// p50 and p99 over all sockets.
pub(crate) async fn run(long: Duration) -> anyhow::Result<String> {
    let data = crate::process::folder()?;
    let http = Http::on("127.0.0.1:0");
    let addresses = http.addresses();
    let running = gateway(data.path()).layer(http).start().await?;
    let address = addresses.get()[0];
    let new = NewToken {
        kind: TokenKind::Api,
        name: "bench".to_owned(),
        role: Role::Viewer,
        scope: Scope::All,
        lifetime: None,
    };
    let (token, _) = running.issue(&Principal::local(), new).await?;
    let (tell, mut hear) = mpsc::channel::<(u64, Instant)>(100_000);
    let mut sockets = tokio::task::JoinSet::new();
    for _ in 0..SOCKETS {
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{address}/api/v1/ws")).await?;
        let auth = serde_json::json!({"type": "auth", "token": token.reveal()}).to_string();
        socket.send(Message::text(auth)).await?;
        let subscribe = r#"{"type":"subscribe","id":1,"devices":["*"]}"#;
        socket.send(Message::text(subscribe)).await?;
        let tell = tell.clone();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        sockets.spawn(async move {
            let mut ready = Some(ready);
            while let Some(Ok(message)) = socket.next().await {
                let at = Instant::now();
                let Message::Text(text) = message else { continue };
                if text.contains(r#""snapshot""#)
                    && ready.take().is_some_and(|r| r.send(()).is_err())
                {
                    return;
                }
                for number in numbers(&text) {
                    if tell.send((number, at)).await.is_err() {
                        return;
                    }
                }
            }
        });
        is_ready.await?;
    }
    let (device, key) = (DeviceId::parse("bench")?, SensorKey::parse("n")?);
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(EVERY);
    let end = Instant::now() + long;
    while Instant::now() < end {
        tick.tick().await;
        let mut batch = Batch::new();
        batch.push(&device, &key, sent.len() as f64 + 0.5);
        sent.push(Instant::now());
        running.submit(batch).await?;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    sockets.shutdown().await;
    drop(tell);
    let mut took = Vec::new();
    while let Some((number, at)) = hear.recv().await {
        if let Some(from) = usize::try_from(number).ok().and_then(|n| sent.get(n)) {
            took.push(at - *from);
        }
    }
    running.stop().await;
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

/// The numbers that readings of this bench carry, as `"value":N.5`.
fn numbers(text: &str) -> Vec<u64> {
    let live = text.contains(r#""type":"readings""#);
    let values = text.split(r#""value":"#).skip(1).filter(|_| live);
    values.filter_map(|rest| rest.split_once(".5").and_then(|(n, _)| n.parse().ok())).collect()
}

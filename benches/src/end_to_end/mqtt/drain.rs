//! A link to an outside broker that was away for so long that a backlog waits, while devices go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use iot_core::task;
use iot_testkit::mqtt::{Client, Connect, Load, Packet, Publication, QoS};
use iot_testkit::servers::Mosquitto;
use iot_testkit::wait::try_until;
use serde_json::Value;

use super::Gateway;
use super::readings::Readings;

/// Readings in one message of the backlog.
const A_MESSAGE: u64 = 100;
/// New readings come in such portions.
const PORTION: u64 = 100;
const EVERY: Duration = Duration::from_millis(50);
/// The backlog is gone when no more than this waits: a quarter of a second of what comes.
const GONE: u64 = 500;
const LONG: Duration = Duration::from_secs(300);
/// What is on its way when nobody sends any more is there after this.
const LAST: Duration = Duration::from_secs(30);

/// Readings a second that the broker acknowledged until the backlog was gone; it lets so many
/// messages be unanswered, which is 20 unless it is told otherwise.
pub(crate) async fn run(backlog: u64, in_flight: u16) -> anyhow::Result<String> {
    let mut mosquitto = Mosquitto::builder()
        // A subscriber that is slower than the link must not lose anything.
        .line("max_queued_messages 0")
        .line(format!("max_inflight_messages {in_flight}"))
        .start()?;
    let link = format!("[[mqtt.link]]\nname = \"up\"\nurl = \"mqtt://{}\"\n", mosquitto.address());
    let gateway = Gateway::start(Some(link))?;
    let view = || Link::of(&gateway);
    try_until("the link is up", LAST, async || view().is_ok_and(|link| link.state == "live"))
        .await?;
    mosquitto.stop()?;
    let readings = Readings::new();
    let mut sender = Connect::v3("backlog").open(gateway.broker()?).await?;
    let load = Load::messages(backlog / A_MESSAGE, 200);
    sender.flood(load, |n, message| readings.backlog(n, A_MESSAGE, message)).await?;
    let before = view()?;
    anyhow::ensure!(before.lag >= backlog, "{} readings wait", before.lag);

    mosquitto.restart()?;
    // The link waits for seconds by now, so this is there first; else the counts would not agree.
    let mut subscriber = Connect::v3("subscriber").open(mosquitto.address()).await?;
    subscriber.subscribe("devices/+/data", QoS::AtMostOnce).await?;
    let received = Arc::new(AtomicU64::new(0));
    let counting = task::spawn(count(subscriber, received.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let sending = task::spawn(send(gateway.broker()?, stop.clone(), backlog));
    // Not before: a link that was in vain for long tries twice a minute.
    let some = async || received.load(Ordering::Relaxed) > 0;
    try_until("the link is up again", LONG, some).await?;
    let (start, from) = (view()?.acknowledged, Instant::now());
    try_until("the backlog is gone", LONG, async || view().is_ok_and(|link| link.lag <= GONE))
        .await?;
    let (end, took) = (view()?.acknowledged, from.elapsed());
    let peak = gateway.peak()?;

    stop.store(true, Ordering::Relaxed);
    let (new, pace) = sending.await??;
    // The host's own readings go the same way, so the figures never stand still for long.
    let agree = async || {
        let (link, received) = (view(), received.load(Ordering::Relaxed));
        let acknowledged = link.map_or(0, |link| link.acknowledged - before.acknowledged);
        (received == acknowledged && received >= backlog + new)
            .then_some(received)
            .ok_or_else(|| format!("{received} received, {acknowledged} acknowledged"))
    };
    let all = try_until("what was received is what was acknowledged", LAST, agree).await?;
    counting.abort();
    gateway.check(backlog + new)?;
    let rate = (end - start) as f64 / took.as_secs_f64();
    Ok(format!(
        "{rate:.0} readings/s while {pace:.0}/s came; {all} received, as acknowledged; {peak:.0} MB at most"
    ))
}

/// What the link shows.
struct Link {
    state: String,
    lag: u64,
    acknowledged: u64,
}

impl Link {
    fn of(gateway: &Gateway) -> anyhow::Result<Self> {
        let view = gateway.get("mqtt/links/up")?;
        let number = |key: &str| view[key].as_u64().with_context(|| format!("a link has {key}"));
        let state = view["state"].as_str().unwrap_or_default().to_owned();
        Ok(Self { state, lag: number("lag")?, acknowledged: number("acknowledged")? })
    }
}

/// Counts the readings that come, until it is aborted.
async fn count(mut subscriber: Client, received: Arc<AtomicU64>) -> anyhow::Result<()> {
    loop {
        if let Packet::Publish(message) = subscriber.recv().await? {
            let Value::Object(values) = serde_json::from_slice(&message.payload)? else {
                anyhow::bail!("{} is not the flat form", message.text());
            };
            let beside = ["ts", "time"].iter().filter(|key| values.contains_key(**key)).count();
            received.fetch_add((values.len() - beside) as u64, Ordering::Relaxed);
        }
    }
}

/// Publishes new readings at their pace until told to stop; says how many, and how many a second.
async fn send(
    broker: SocketAddr,
    stop: Arc<AtomicBool>,
    backlog: u64,
) -> anyhow::Result<(u64, f64)> {
    let readings = Readings::new();
    let mut client = Connect::v3("new").open(broker).await?;
    let mut tick = tokio::time::interval(EVERY);
    let (mut sent, start) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let from = sent;
        // The backlog's readings came earlier, of the same sensors.
        let make = |n, message: &mut Publication| readings.one(backlog + from + n, message);
        sent += client.flood(Load::messages(PORTION, 200), make).await?.acknowledged;
    }
    Ok((sent, sent as f64 / start.elapsed().as_secs_f64()))
}

//! As many readings as the gateway acknowledges, once they are on disk, and as many messages as a
//! bare mosquitto does, which keeps none; in turns, for a machine is seldom quiet.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iot_testkit::mqtt::{Client, Connect, Flood, Load, flood_many};
use iot_testkit::servers::Mosquitto;

use super::Gateway;
use super::readings::Readings;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);
/// Devices come into being in this time, which is not counted.
const FIRST: Duration = Duration::from_secs(2);

/// Both rates, their ratio, and what the gateway held in memory.
pub(crate) async fn run(connections: usize, in_flight: u16) -> anyhow::Result<String> {
    let gateway = Gateway::start(None)?;
    let mosquitto = Mosquitto::builder().start()?;
    let brokers = [gateway.broker()?, mosquitto.address()];
    let readings = Readings::new();
    let mut sent = 0;
    let mut idle = 0.0;
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (broker, rates) in brokers.into_iter().zip(&mut rates) {
            let clients = connect(broker, connections).await?;
            if broker == brokers[0] && round == 0 {
                idle = gateway.resident()?;
            }
            let lasting = if round == 0 { FIRST } else { ROUND };
            let load = Load::lasting(lasting, in_flight);
            let flood = flood(clients, load, readings, sent).await?;
            if broker == brokers[0] {
                sent += flood.sent;
            }
            if round > 0 {
                rates.push(flood.rate());
            }
        }
    }
    gateway.check(sent)?;
    let [ours, theirs] = rates.map(|rates| rates.iter().sum::<f64>() / ROUNDS as f64);
    Ok(format!(
        "{ours:.0} readings/s, mosquitto {theirs:.0}/s, ratio {:.2}; {idle:.0} MB connected, {:.0} MB at most",
        ours / theirs,
        gateway.peak()?
    ))
}

async fn connect(broker: SocketAddr, connections: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(connections);
    for n in 0..connections {
        clients.push(Connect::v3(format!("sender{n}")).open(broker).await?);
    }
    Ok(clients)
}

/// Sends readings from the `from`th on, and wants all acknowledged.
async fn flood(
    clients: Vec<Client>,
    load: Load,
    readings: Readings,
    from: u64,
) -> anyhow::Result<Flood> {
    let next = AtomicU64::new(from);
    let make = move |_, _, message: &mut _| {
        readings.one(next.fetch_add(1, Ordering::Relaxed), message);
    };
    let flood = flood_many(clients, load, make).await?;
    anyhow::ensure!(
        flood.acknowledged == flood.sent,
        "{} of {} were acknowledged",
        flood.acknowledged,
        flood.sent
    );
    Ok(flood)
}

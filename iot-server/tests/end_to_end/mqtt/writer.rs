//! A device that publishes 2,000 readings a second at QoS 1 and remembers which were acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use iot_testkit::mqtt::{Client, ClientError, Connect, Message, Packet};
use serde_json::Value as Json;
use tokio::time::{Instant, MissedTickBehavior};

/// Devices that it speaks for.
pub(crate) const DEVICES: u64 = 10;
/// Readings of one turn, and how often one comes: 2,000 a second.
const TURN: u64 = 20;
const EVERY: Duration = Duration::from_millis(10);
/// No more are left unacknowledged.
const WINDOW: usize = 2_000;
/// The time of the first reading; no two have the same.
pub(crate) const FIRST_MS: u64 = 1_700_000_000_000;

/// What was published, over all lives of the gateway.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    next: u64,
    /// Published on an earlier connection and not acknowledged, to be published again.
    open: BTreeSet<u64>,
    pub(crate) acknowledged: BTreeSet<u64>,
    in_flight: BTreeMap<u16, u64>,
}

/// The device of the `n`th reading.
pub(crate) fn device(n: u64) -> String {
    format!("w{}", n % DEVICES)
}

/// The number of a reading that went through the gateway, which knows numbers of one kind.
pub(crate) fn number(reading: &Json) -> Option<u64> {
    reading["n"].as_f64().map(|n| n as u64)
}

fn message(n: u64) -> Message {
    let payload = format!(r#"{{"ts":{},"n":{n}}}"#, FIRST_MS + n);
    Message::new(format!("devices/{}/data", device(n)), payload)
}

impl Writer {
    /// How many readings there are, acknowledged or not.
    pub(crate) fn written(&self) -> u64 {
        self.next
    }

    /// Publishes on a new connection until `life` is over, and with `to_the_end` until all is
    /// acknowledged. A connection that breaks ends it: the gateway was killed.
    pub(crate) async fn live(&mut self, broker: SocketAddr, life: Duration, to_the_end: bool) {
        let Ok(mut client) = Connect::v5("writer").open(broker).await else { return };
        let ended = self.write(&mut client, life, to_the_end).await;
        self.open.extend(std::mem::take(&mut self.in_flight).into_values());
        if to_the_end {
            ended.unwrap();
            assert!(self.open.is_empty(), "{} were never acknowledged", self.open.len());
        }
    }

    async fn write(
        &mut self,
        client: &mut Client,
        life: Duration,
        to_the_end: bool,
    ) -> Result<(), ClientError> {
        for n in std::mem::take(&mut self.open) {
            self.queue(client, n)?;
        }
        client.flush().await?;
        let end = Instant::now() + life;
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            every.tick().await;
            for _ in 0..TURN {
                if self.in_flight.len() < WINDOW {
                    let n = self.next;
                    self.next += 1;
                    self.queue(client, n)?;
                }
            }
            client.flush().await?;
            while let Some(packet) = client.recv_within(Duration::ZERO).await? {
                self.answered(packet);
            }
        }
        while to_the_end && !self.in_flight.is_empty() {
            let packet = client.recv().await?;
            self.answered(packet);
        }
        Ok(())
    }

    fn queue(&mut self, client: &mut Client, n: u64) -> Result<(), ClientError> {
        // What was never sent is open too.
        self.open.insert(n);
        if let Some(id) = client.queue(message(n))? {
            self.open.remove(&n);
            self.in_flight.insert(id, n);
        }
        Ok(())
    }

    fn answered(&mut self, packet: Packet) {
        if let Packet::Puback { id, code } = packet {
            let n = self.in_flight.remove(&id).expect("an answer to what was asked");
            assert!(code < 0x80, "reading {n} was refused: {code:#x}");
            self.acknowledged.insert(n);
        }
    }
}

//! A device that waits for each acknowledgement before it sends on.

use std::time::{Duration, Instant};

use iot_testkit::mqtt::{Client, Connect, Message, Publication};

use super::Gateway;
use super::readings::Readings;

/// It is quick for so long.
const QUICK: Duration = Duration::from_secs(5);
/// Then what is left of 500 quick commits is spent well within this.
const SPEND: Duration = Duration::from_secs(15);
const STEADY: Duration = Duration::from_secs(20);

/// Acknowledgements a second at first, and for ever.
pub(crate) async fn run() -> anyhow::Result<String> {
    let gateway = Gateway::start(None)?;
    let client = Connect::v3("lone").open(gateway.broker()?).await?;
    let mut lone = Lone { client, readings: Readings::new(), sent: 0 };
    let quick = lone.rate(QUICK).await?;
    lone.rate(SPEND).await?;
    let steady = lone.rate(STEADY).await?;
    gateway.check(lone.sent)?;
    let (first, then) = (QUICK.as_secs(), (QUICK + SPEND).as_secs());
    Ok(format!("{quick:.0}/s for {first} s, {steady:.1}/s after {then} s"))
}

struct Lone {
    client: Client,
    readings: Readings,
    sent: u64,
}

impl Lone {
    /// Acknowledgements a second over this time.
    async fn rate(&mut self, lasting: Duration) -> anyhow::Result<f64> {
        let (before, from) = (self.sent, Instant::now());
        while from.elapsed() < lasting {
            let mut next = Publication::default();
            self.readings.one(self.sent, &mut next);
            self.client.publish_and_wait(Message::new(next.topic, next.payload)).await?;
            self.sent += 1;
        }
        Ok((self.sent - before) as f64 / from.elapsed().as_secs_f64())
    }
}

//! A trickle: 100 senders once a second each at random instants, waiting for the acknowledgement.

use std::time::{Duration, Instant};

use benches::gateway;
use futures_util::future::join_all;
use iot_core::domain::{Batch, DeviceId, SensorKey};
use iot_core::pipeline::policy::Wear;

use crate::process::written;

const SENDERS: usize = 100;
/// 500 in the budget, drawn at 80 a second net ("sd": 98): spent well before this.
const SPEND: Duration = Duration::from_secs(20);

/// GB a day at the pace of the run.
pub(crate) async fn run(wear: Wear, long: Duration) -> anyhow::Result<String> {
    let data = crate::process::folder()?;
    let running = gateway(data.path()).wear(wear).start().await?;
    let handle = running.handle();
    let end = Instant::now() + SPEND + long;
    let senders = (0..SENDERS).map(|n| {
        let handle = handle.clone();
        async move {
            let device = DeviceId::parse(&format!("sender{n}"))?;
            let key = SensorKey::parse("t")?;
            let mut waited = Vec::new();
            while Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..2_000))).await;
                let mut batch = Batch::new();
                batch.push(&device, &key, f64::from(fastrand::u32(0..400)) / 16.0);
                let from = Instant::now();
                handle.submit(batch).await?;
                waited.push(from.elapsed());
            }
            anyhow::Ok(waited)
        }
    });
    let counted = async {
        tokio::time::sleep(SPEND).await;
        let before = written("self")?;
        tokio::time::sleep(long).await;
        anyhow::Ok(written("self")? - before)
    };
    let (waited, bytes) = tokio::join!(join_all(senders), counted);
    let mut waited: Vec<Duration> =
        waited.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    waited.sort();
    let p99 = waited[waited.len() * 99 / 100];
    running.stop().await;
    let a_day = bytes? as f64 / long.as_secs_f64() * 86_400.0 / 1e9;
    Ok(format!("{a_day:.1} GB a day (acknowledged in p99 {p99:.0?})"))
}

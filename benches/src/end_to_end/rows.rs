//! Plugin to durable row: how many a second, and how many bytes each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::{Walk, gateway};
use iot_core::adapter::Linked;
use iot_core::domain::{Batch, DeviceSpec, SensorSpec};
use iot_core::port::{OpenCx, OpenError, Plugin, PollError, Turn, Turns};

use crate::process::written;

/// A plugin that pushes as fast as it is acknowledged.
struct Pusher {
    walk: Walk,
}

static PUSHED: AtomicU64 = AtomicU64::new(0);
const A_COMMIT: usize = 10_000;

impl Plugin for Pusher {
    const KIND: &'static str = "pusher";
    type Config = ();

    async fn open((): (), cx: OpenCx) -> Result<Self, OpenError> {
        let error = |e: &dyn std::fmt::Display| OpenError::never(e.to_string());
        let walk = Walk::new("d", 1_000).map_err(|e| error(&e))?;
        for device in 0..100 {
            let mut spec = DeviceSpec::new(format!("d{device}"));
            for sensor in 0..10 {
                let key = format!("t{sensor}").parse().map_err(|e| error(&e))?;
                spec.sensors.push(SensorSpec::number(key, "Cel"));
            }
            cx.announce(spec).map_err(|e| error(&e))?;
        }
        cx.schedule.set(Duration::from_secs(3600));
        Ok(Self { walk })
    }

    async fn poll(&mut self, _: &mut Batch) -> Result<(), PollError> {
        Ok(())
    }

    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError> {
        loop {
            let batch = self.walk.batch(A_COMMIT);
            match turns.submit(batch).await {
                Ok(receipt) => PUSHED.fetch_add(receipt.accepted as u64, Ordering::Relaxed),
                Err(error) => return Err(PollError::retry(error.to_string())),
            };
            tokio::select! {
                biased;
                turn = turns.next() => if matches!(turn, Turn::Stop) { return Ok(()) },
                () = std::future::ready(()) => {}
            }
        }
    }
}

/// Readings a second from a pushing plugin to rows on disk.
pub(crate) async fn durable(long: Duration) -> anyhow::Result<String> {
    let data = crate::process::folder()?;
    let kind = Arc::new(Linked::<Pusher>::new("bench"));
    let running = gateway(data.path())
        .kind(kind)
        .plugin::<Pusher>("pusher", serde_json::Value::Null)
        .start()
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, from) = (PUSHED.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(long).await;
    let pushed = PUSHED.load(Ordering::Relaxed) - before;
    let rate = pushed as f64 / from.elapsed().as_secs_f64();
    running.stop().await;
    Ok(format!("{rate:.0} readings/s ({A_COMMIT} a commit)"))
}

/// Bytes written a reading over a whole run, the final checkpoint included.
pub(crate) async fn bytes(a_commit: usize, commits: usize) -> anyhow::Result<String> {
    let data = crate::process::folder()?;
    let running = gateway(data.path()).start().await?;
    let mut walk = Walk::new("d", 1_000)?;
    running.submit(walk.batch(1_000)).await?;
    let (before, from) = (written("self")?, Instant::now());
    for _ in 0..commits {
        running.submit(walk.batch(a_commit)).await?;
    }
    let took = from.elapsed();
    running.stop().await;
    let readings = (a_commit * commits) as f64;
    let each = (written("self")? - before) as f64 / readings;
    Ok(format!("{each:.0} B ({:.0} readings/s)", readings / took.as_secs_f64()))
}

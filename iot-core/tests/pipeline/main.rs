#![cfg(test)]
//! The pipeline's promises, held to by a seeded simulation: an in-memory log and clock, paused time.

mod commands;
mod inlet;
mod intake;
mod ledger;
mod lifecycle;
mod memory;
mod simulation;

use std::sync::Arc;

use iot_core::domain::{Batch, DeviceId, SensorKey, Timestamp};
use iot_core::gateway::{Gateway, Running};
use iot_testkit as _;
use iot_testkit::sim::SimClock;

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).expect("a test's id fits")
}

fn key(key: &str) -> SensorKey {
    SensorKey::parse(key).expect("a test's key fits")
}

fn noon() -> Timestamp {
    Timestamp::parse("2026-01-01T12:00:00Z").expect("a test's time fits")
}

/// A batch of numbers of one device, all of one sensor, a millisecond apart from `from_ms` on.
fn numbers(id: &str, from_ms: i64, count: i64) -> Batch {
    let mut batch = Batch::new();
    for n in 0..count {
        batch.push_sample(iot_core::domain::Sample {
            device: device(id),
            key: key("n"),
            ts: Some(Timestamp::from_millis(from_ms + n)),
            value: Some(iot_core::domain::Value::Number(f64::from(i32::try_from(n).unwrap_or(0)))),
            quality: iot_core::domain::Quality::Good,
        });
    }
    batch
}

async fn start(store: &str) -> (Running, Arc<SimClock>) {
    let clock = Arc::new(SimClock::at(noon()));
    let started = Gateway::builder().store(format!("memory:{store}")).clock(clock.clone()).start();
    (started.await.expect("a gateway in memory starts"), clock)
}

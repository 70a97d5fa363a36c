//! Payloads of MQTT, read and written.
#![expect(clippy::expect_used, reason = "a measurement that cannot be set up has nothing to say")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iot_core::domain::{Batch, DeviceId, SensorKey, Timestamp, Value};
use iot_core::format::flat;

const SMALL: &str = r#"{"ts":1700000000123,"temperature":21.5,"door":true}"#;
const NESTED: &str = r#"{"ts":1700000000123,"sht":{"temperature":21.5,"humidity":60}}"#;

fn read(c: &mut Criterion) {
    let device = DeviceId::parse("attic").expect("it fits");
    let wide: Vec<String> = (0..50).map(|n| format!("\"sensor_{n}\":{n}.25")).collect();
    let backlog = vec![SMALL; 1_000].join(",");
    let mut group = c.benchmark_group("flat_read");
    for (name, payload, readings) in [
        ("small", SMALL.to_owned(), 2),
        ("nested", NESTED.to_owned(), 2),
        ("wide", format!("{{{}}}", wide.join(",")), 50),
        ("backlog", format!("[{backlog}]"), 2_000),
    ] {
        group.throughput(Throughput::Elements(readings));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut out = Batch::new();
                flat::read(black_box(payload.as_bytes()), &device, &mut out).expect("it is well");
                out
            });
        });
    }
    group.finish();
}

fn write(c: &mut Criterion) {
    let keys = ["temperature", "door"].map(|key| SensorKey::parse(key).expect("it fits"));
    let values = [Value::Number(21.5), Value::Bool(true)];
    let mut out = Vec::with_capacity(256);
    c.bench_function("flat_write", |b| {
        b.iter(|| {
            out.clear();
            let pairs = keys.iter().zip(values.iter().map(Some));
            flat::write(
                &mut out,
                black_box(Timestamp::from_millis(1_700_000_000_123)),
                false,
                pairs,
            );
            black_box(&out);
        });
    });
}

criterion_group!(format, read, write);
criterion_main!(format);

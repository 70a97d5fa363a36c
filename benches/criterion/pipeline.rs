//! Intake to durable row, by readings in one commit.
#![expect(clippy::expect_used, reason = "a measurement that cannot be set up has nothing to say")]

use benches::{Walk, gateway};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn submit(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("a runtime starts");
    let data = tempfile::tempdir().expect("a temporary folder");
    let running = runtime.block_on(gateway(data.path()).start()).expect("a gateway starts");
    let handle = running.handle();
    let mut group = c.benchmark_group("submit_to_durable_row");
    for readings in [1_usize, 100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(readings as u64));
        let mut walk = Walk::new("d", 1_000).expect("ids fit");
        group.bench_with_input(BenchmarkId::from_parameter(readings), &readings, |b, n| {
            b.to_async(&runtime).iter_batched(
                || walk.batch(*n),
                |batch| async { handle.submit(batch).await },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    runtime.block_on(running.stop());
}

criterion_group!(pipeline, submit);
criterion_main!(pipeline);

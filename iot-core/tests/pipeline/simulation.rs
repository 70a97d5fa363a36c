//! The whole pipeline against a store that fails and a process that dies, by seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{Batch, Quality, Sample, Timestamp, Value};
use iot_core::gateway::{Gateway, Running};
use iot_core::pipeline::cursor::Begin;
use iot_core::port::{CursorName, LogErrorKind};
use iot_testkit::memory::{Fault, Memory};
use iot_testkit::sim::SimClock;

use super::{device, key, noon};

/// A small generator, so that a seed means the same run for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What the world knows from outside.
#[derive(Default)]
struct World {
    next: i64,
    sent: BTreeMap<i64, u64>,
    acknowledged: BTreeSet<i64>,
    delivered: Vec<u64>,
}

impl World {
    /// A batch of readings that each carry a number of their own as value and time.
    fn batch(&mut self, random: &mut Random) -> (Batch, Vec<i64>) {
        let of = random.below(4);
        let mut batch = Batch::new();
        let mut numbers = Vec::new();
        for _ in 0..=random.below(20) {
            self.next += 1;
            numbers.push(self.next);
            self.sent.insert(self.next, of);
            batch.push_sample(Sample {
                device: device(&format!("d{of}")),
                key: key("n"),
                ts: Some(Timestamp::from_millis(noon().as_millis() + self.next)),
                value: Some(Value::Number(self.next as f64)),
                quality: Quality::Good,
            });
        }
        (batch, numbers)
    }
}

async fn start(name: &str) -> Running {
    let clock = Arc::new(SimClock::at(noon().plus(Duration::from_secs(3600))));
    let builder = Gateway::builder().store(format!("memory:{name}")).clock(clock);
    builder.start().await.expect("it starts on what a crash left")
}

fn ledger_holds(gateway: &Running) {
    let ledger = gateway.diagnostics().ledger;
    assert_eq!(ledger.accepted, ledger.stored + ledger.queued);
    let removed = ledger.removed.age + ledger.removed.cap + ledger.removed.by_hand;
    assert_eq!(ledger.stored, ledger.kept + ledger.replaced + removed);
}

/// Reads the cursor as a link does: delivers a page, then settles it, or dies in between.
async fn deliver(gateway: &Running, world: &mut World, random: &mut Random) {
    let name = CursorName("link:sim".into());
    let mut cursor = gateway.cursor(name, Begin::Start).await.expect("the store can be read");
    let limit = usize::try_from(random.below(50) + 1).expect("small");
    let page = cursor.read(limit).await.expect("the store can be read");
    world.delivered.extend(page.readings.iter().map(|logged| logged.seq.0));
    if let Some(last) = page.readings.last()
        && random.below(3) > 0
    {
        cursor.settle(last.seq, page.readings.len() as u64, 0);
    }
}

async fn run(seed: u64) {
    let name = format!("simulation-{seed}");
    let memory = Memory::named(&name);
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World::default();
    let mut gateway = start(&name).await;
    for _ in 0..200 {
        match random.below(10) {
            0 => memory.fail(Fault::Before(LogErrorKind::Other)),
            1 => memory.fail(Fault::After),
            2 => {
                // The process dies: whatever was not committed is lost, nothing else.
                drop(gateway);
                memory.fail(Fault::None);
                gateway = start(&name).await;
                ledger_holds(&gateway);
            }
            3 | 4 => deliver(&gateway, &mut world, &mut random).await,
            _ => {
                memory.fail(Fault::None);
                let (batch, numbers) = world.batch(&mut random);
                if gateway.submit(batch).await.is_ok() {
                    world.acknowledged.extend(numbers);
                }
            }
        }
        if random.below(4) == 0 {
            tokio::time::sleep(Duration::from_millis(random.below(2_000))).await;
        }
        ledger_holds(&gateway);
    }
    memory.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut link =
        gateway.cursor(CursorName("link:sim".into()), Begin::Start).await.expect("readable");
    loop {
        let page = link.read(100).await.expect("the store can be read");
        let Some(last) = page.readings.last() else { break };
        world.delivered.extend(page.readings.iter().map(|logged| logged.seq.0));
        link.settle(last.seq, page.readings.len() as u64, 0);
    }
    assert!(gateway.stop().await, "seed {seed}: everything taken in is on disk");
    check(seed, &memory, &world);
}

fn check(seed: u64, memory: &Memory, world: &World) {
    let logged = memory.logged();
    let mut seen = BTreeSet::new();
    let mut newest: BTreeMap<u32, i64> = BTreeMap::new();
    for (n, reading) in logged.iter().enumerate() {
        assert_eq!(reading.seq.0, n as u64 + 1, "seed {seed}: the log is dense and in order");
        let Some(Value::Number(number)) = reading.point.value else { panic!("a number") };
        let number = number as i64;
        assert!(world.sent.contains_key(&number), "seed {seed}: nobody sent {number}");
        assert!(seen.insert(number), "seed {seed}: {number} was committed twice");
        let before = newest.insert(reading.sensor.0, number);
        assert!(before.is_none_or(|b| b < number), "seed {seed}: a sensor's order was changed");
    }
    for number in &world.acknowledged {
        assert!(seen.contains(number), "seed {seed}: {number} was acknowledged and is not there");
    }
    let mut newest = 0;
    for seq in &world.delivered {
        assert!(*seq <= newest + 1, "seed {seed}: the link was given {seq} before {}", newest + 1);
        newest = newest.max(*seq);
    }
    assert_eq!(newest, logged.len() as u64, "seed {seed}: the link has each at least once");
}

#[tokio::test(start_paused = true)]
async fn no_acknowledged_reading_is_lost_or_doubled_whatever_fails() {
    let long = std::env::var("IOT_TEST_TIER").is_ok_and(|tier| tier != "ordinary");
    for seed in 0..if long { 1000 } else { 60 } {
        run(seed).await;
    }
}

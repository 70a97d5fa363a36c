//! `kill -9` at any moment: what was acknowledged is there, once, the ledger adds up, and each command
//! ends exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use iot_core::domain::{CommandId, CommandState, TimeRange, Value};
use iot_core::gateway::Handle;
use iot_core::port::PAGE;
use iot_testkit::servers::{Process, TestFolder};

use crate::crash_writer::{DEVICE, FOLDER, SENSORS, builder, key};
use crate::sql;

/// What the writers were promised, over all rounds.
#[derive(Debug, Default)]
struct Promised {
    /// The value of each sensor and millisecond.
    stored: BTreeMap<(usize, i64), f64>,
    /// Commands that were written down.
    asked: BTreeSet<CommandId>,
    /// Commands that reached the plugin, with how often.
    took: BTreeMap<CommandId, usize>,
    /// Commands that the plugin was about to answer.
    answered: BTreeSet<CommandId>,
}

impl Promised {
    fn read(&mut self, said: &str) {
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                ["stored", sensor, ms, value] => {
                    let at = (sensor.parse().unwrap(), ms.parse().unwrap());
                    let before = self.stored.insert(at, value.parse().unwrap());
                    assert_eq!(before, None, "the writer never uses a time twice: {line}");
                }
                ["asked", id] => {
                    self.asked.insert(CommandId::parse(id).unwrap());
                }
                ["took", id] => *self.took.entry(CommandId::parse(id).unwrap()).or_default() += 1,
                ["answered", id] => {
                    self.answered.insert(CommandId::parse(id).unwrap());
                }
                // Of the test runner, or a note.
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost() {
    let folder = TestFolder::new("crash").unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let rounds = if crate::long() { 50 } else { 8 };
    let mut promised = Promised::default();
    for round in 1..=rounds {
        let life = Duration::from_millis(random.u64(50..=2_000));
        promised.read(&one_life(folder.path(), &data, round, life).await);
        if data.join("iot.db").exists() {
            check(&data, &promised, &format!("seed {seed}, round {round}, {life:?}")).await;
        }
    }
    assert!(promised.stored.len() > 1_000, "{} readings were acknowledged", promised.stored.len());
    assert!(promised.asked.len() > 10, "{} commands were asked for", promised.asked.len());
    println!(
        "{rounds} kills: {} readings acknowledged, {} commands, of which {} reached the plugin",
        promised.stored.len(),
        promised.asked.len(),
        promised.took.len()
    );
    assert_eq!(sql::integrity(&data), "ok");
}

/// A writer's life: what it said until it was killed.
async fn one_life(folder: &Path, data: &Path, round: u32, life: Duration) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "crash_writer::writer"]).env(FOLDER, data);
    let mut writer = Process::start(&format!("writer-{round}"), command, folder).unwrap();
    // Not a wait for a state: the moment of the crash is what is drawn.
    tokio::time::sleep(life).await;
    assert!(writer.ended().is_none(), "{}", writer.last_lines());
    writer.kill9();
    writer.stdout()
}

/// Opens the folder again and holds it to what was promised.
async fn check(data: &Path, promised: &Promised, when: &str) {
    let running = builder(data).without_instances().start().await.unwrap_or_else(|error| {
        panic!("{when}: it does not start again: {error}");
    });
    ledger(&running, data, when);
    readings(&running, promised, when).await;
    commands(&running, promised, when).await;
    assert!(running.stop().await, "{when}: the stop left something behind");
}

fn ledger(gateway: &Handle, data: &Path, when: &str) {
    let ledger = gateway.diagnostics().ledger;
    let removed = ledger.removed.age + ledger.removed.cap + ledger.removed.by_hand;
    assert_eq!(ledger.queued, 0, "{when}: {ledger:?}");
    assert_eq!(ledger.accepted, ledger.stored + ledger.queued, "{when}: {ledger:?}");
    assert_eq!(ledger.stored, ledger.kept + ledger.replaced + removed, "{when}: {ledger:?}");
    let kept = "select (select count(*) from device_data) \
                + (select coalesce(sum(count), 0) from device_data_sealed)";
    assert_eq!(sql::number(data, kept), Ok(ledger.kept), "{when}: {ledger:?}");
}

/// Every acknowledged reading is there with its value, and none is there twice.
async fn readings(gateway: &Handle, promised: &Promised, when: &str) {
    let mut missing = promised.stored.clone();
    for sensor in 0..SENSORS {
        let id = format!("{DEVICE}.{}", key(sensor)).parse().unwrap();
        // A life may be too short for its device.
        let Some(view) = gateway.sensor(&id) else { continue };
        let (mut resume, mut seen) = (None, BTreeSet::new());
        loop {
            let page = gateway.history().raw(view.sensor.no, TimeRange::ALL, resume, PAGE).await;
            let page = page.unwrap();
            for point in page.points {
                let ms = point.ts.as_millis();
                assert!(seen.insert(point.ts), "{when}: {id} has {ms} twice");
                if let Some(promised) = missing.remove(&(sensor, ms)) {
                    assert_eq!(point.value, Some(Value::Number(promised)), "{when}: {id} at {ms}");
                }
            }
            resume = page.next;
            if resume.is_none() {
                break;
            }
        }
    }
    assert!(
        missing.is_empty(),
        "{when}: {} acknowledged readings are lost: {:?}",
        missing.len(),
        missing.iter().take(5).collect::<Vec<_>>()
    );
}

/// Every command that was written down is over, in a way that fits how far it had come.
async fn commands(gateway: &Handle, promised: &Promised, when: &str) {
    for (id, times) in &promised.took {
        assert_eq!(*times, 1, "{when}: command {id} was run {times} times");
    }
    for id in promised.asked.iter().chain(promised.took.keys()) {
        let record = gateway.registry().command(id).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("{when}: command {id} is not on file"));
        let state = record.state;
        let fits = match (promised.took.contains_key(id), promised.answered.contains(id)) {
            // It never reached the plugin; it may have been on its way.
            (false, _) => state == CommandState::TimedOut || state == CommandState::Refused,
            (true, false) => state == CommandState::TimedOut && record.may_have_run,
            // The answer may have been lost with the process.
            (true, true) => {
                state == CommandState::Done
                    || (state == CommandState::TimedOut && record.may_have_run)
            }
        };
        assert!(fits, "{when}: {record:?}");
    }
}

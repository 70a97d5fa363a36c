//! What the crash test kills: a gateway made of the public API, with a plugin that pushes readings and
//! waits for each acknowledgement, and commands on their way. It says on standard output what it was
//! promised, so that the test can hold the gateway to it.
//!
//! It lives in the test's own program and runs when the test starts that again with [`FOLDER`] set.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use iot_core::domain::{
    Batch, CommandId, CommandRequest, CommandSpec, DeviceId, DeviceSpec, Outcome, Principal,
    Quality, Sample, SensorKey, SensorSpec, Timestamp, ValueType,
};
use iot_core::gateway::{Gateway, Handle};
use iot_core::port::{Asked, OpenCx, OpenError, Plugin, PollError, Turn, Turns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, MissedTickBehavior};

/// The variable that makes this program the writer, and names its folder.
pub(crate) const FOLDER: &str = "CRASH_WRITER_FOLDER";
/// The device.
pub(crate) const DEVICE: &str = "crash";
/// How many sensors it has.
pub(crate) const SENSORS: usize = 10;

/// Readings in a batch, and how often one is pushed: 2,000 readings a second.
const BATCH: usize = 20;
const EVERY: Duration = Duration::from_millis(10);
/// How often a command is asked for.
const COMMAND_EVERY: Duration = Duration::from_millis(50);
/// How long a slow command takes; longer than many a life of the writer.
const SLOW: Duration = Duration::from_millis(400);

/// The key of a sensor.
pub(crate) fn key(n: usize) -> SensorKey {
    SensorKey::parse(&format!("s{n}")).unwrap()
}

/// No test by itself: the program that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let running =
        builder(Path::new(&folder)).plugin::<Pusher>("pusher", Nothing {}).start().await.unwrap();
    ask(&running.handle()).await;
}

/// The gateway of a folder, without instances or layers.
pub(crate) fn builder(folder: &Path) -> iot_core::gateway::Builder {
    Gateway::builder().store("sqlite:iot.db").data_dir(folder)
}

/// Says lines in one piece: a line that a kill cut off has no end and is not read.
fn say(lines: &str) {
    std::io::stdout().lock().write_all(lines.as_bytes()).unwrap();
}

/// Asks for commands until the process dies.
async fn ask(gateway: &Handle) {
    let mut every = tokio::time::interval(COMMAND_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0_u64.. {
        every.tick().await;
        let id = CommandId::fresh();
        let request = CommandRequest {
            id: Some(id.clone()),
            device: DeviceId::parse(DEVICE).unwrap(),
            name: "nudge".to_owned(),
            params: json!({ "slow": n % 3 == 0 }),
            timeout: Some(Duration::from_secs(2)),
        };
        match gateway.command(&Principal::local(), request).await {
            Ok(_) => say(&format!("asked {id}\n")),
            // The plugin has not announced its device yet.
            Err(error) => say(&format!("note {error}\n")),
        }
    }
}

/// There is nothing to configure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

struct Pusher {
    device: DeviceId,
    keys: Vec<SensorKey>,
    /// The time of the next reading, in milliseconds; it never comes twice in one folder, for fewer
    /// are used up than pass.
    next: i64,
    /// Commands that are answered later.
    slow: VecDeque<(Instant, Asked)>,
}

impl Plugin for Pusher {
    const KIND: &'static str = "pusher";
    type Config = Nothing;

    async fn open(_: Nothing, cx: OpenCx) -> Result<Self, OpenError> {
        let keys: Vec<SensorKey> = (0..SENSORS).map(key).collect();
        let mut spec = DeviceSpec::new(DEVICE);
        spec.sensors = keys.iter().map(|k| SensorSpec::of(k.clone(), ValueType::Number)).collect();
        let params = json!({"type": "object", "properties": {"slow": {"type": "boolean"}}});
        spec.commands = vec![CommandSpec { name: "nudge".to_owned(), title: None, params }];
        let device = cx.announce(spec).map_err(|e| OpenError::never(e.to_string()))?;
        Ok(Self { device, keys, next: cx.clock().wall.as_millis(), slow: VecDeque::new() })
    }

    async fn poll(&mut self, _: &mut Batch) -> Result<(), PollError> {
        Ok(())
    }

    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError> {
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                turn = turns.next() => match turn {
                    Turn::Tick => {}
                    Turn::Command(asked) => self.take(asked),
                    Turn::Stop => return Ok(()),
                },
                _ = every.tick() => {
                    self.answer_slow();
                    let (batch, promised) = self.batch();
                    let receipt = turns.submit(batch).await;
                    let receipt = receipt.map_err(|e| PollError::retry(e.to_string()))?;
                    assert_eq!((receipt.accepted, receipt.refused), (BATCH, 0));
                    say(&promised);
                }
            }
        }
    }
}

impl Pusher {
    fn batch(&mut self) -> (Batch, String) {
        let mut batch = Batch::new();
        let mut promised = String::new();
        for n in 0..BATCH {
            let sensor = n % SENSORS;
            let ms = self.next + i64::try_from(n / SENSORS).unwrap();
            let value = n as f64 + (ms % 1_000) as f64 / 1_000.0;
            batch.push_sample(Sample {
                device: self.device.clone(),
                key: self.keys[sensor].clone(),
                ts: Some(Timestamp::from_millis(ms)),
                value: Some(value.into()),
                quality: Quality::Good,
            });
            promised.push_str(&format!("stored {sensor} {ms} {value:?}\n"));
        }
        self.next += i64::try_from(BATCH / SENSORS).unwrap();
        (batch, promised)
    }

    fn take(&mut self, asked: Asked) {
        say(&format!("took {}\n", asked.command.id));
        if asked.command.params["slow"] == true {
            self.slow.push_back((Instant::now() + SLOW, asked));
        } else {
            answer(asked);
        }
    }

    fn answer_slow(&mut self) {
        while self.slow.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            if let Some((_, asked)) = self.slow.pop_front() {
                answer(asked);
            }
        }
    }
}

fn answer(asked: Asked) {
    say(&format!("answered {}\n", asked.command.id));
    asked.answer(Outcome::Done(Json::Null));
}

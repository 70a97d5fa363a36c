//! Plugins of every sort: good ones, and those that a host must bear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use iot_core::domain::{
    Batch, Command, DeviceId, DeviceSpec, Outcome, SensorKey, SensorSpec, State,
};
use iot_core::port::{OpenCx, OpenError, Plugin, PollError, Turn, Turns};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// What is common to all specimens.
pub(crate) struct Body {
    pub(crate) cx: OpenCx,
    pub(crate) device: DeviceId,
    pub(crate) key: SensorKey,
    pub(crate) polls: u32,
}

impl Body {
    pub(crate) fn new(cx: OpenCx, every: Duration) -> Result<Self, OpenError> {
        cx.schedule.set(every);
        let key = SensorKey::parse("n").unwrap();
        let mut spec = DeviceSpec::new(cx.instance.as_str());
        spec.sensors = vec![SensorSpec::number(key.clone(), "1")];
        let device = cx.announce(spec).map_err(|e| OpenError::never(e.to_string()))?;
        Ok(Self { cx, device, key, polls: 0 })
    }

    pub(crate) fn count(&mut self, out: &mut Batch) {
        self.polls += 1;
        out.push(&self.device, &self.key, f64::from(self.polls));
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Every {
    /// How often.
    pub(crate) interval_ms: u64,
    /// At which poll it does its worst; 0 is already while opening.
    pub(crate) at: u32,
}

impl Default for Every {
    fn default() -> Self {
        Self { interval_ms: 50, at: 2 }
    }
}

impl Every {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
}

/// Counts its polls. Commands: `echo`, `panic`, `mute` (no answer), `sleep` (waits for ever).
pub(crate) struct Good(pub(crate) Body);

impl Plugin for Good {
    const KIND: &'static str = "good";
    type Config = Every;

    async fn open(config: Every, cx: OpenCx) -> Result<Self, OpenError> {
        let polls = cx.state.bytes.first().copied().unwrap_or(0);
        let mut body = Body::new(cx, config.time())?;
        body.polls = u32::from(polls);
        Ok(Self(body))
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        self.0.count(out);
        Ok(())
    }

    async fn command(&mut self, command: &Command) -> Outcome {
        match command.name.as_str() {
            "echo" => {
                Outcome::Done(json!({"by": self.0.cx.instance.as_str(), "of": command.params}))
            }
            "panic" => panic!("told to"),
            "sleep" => std::future::pending().await,
            other => Outcome::Refused(format!("{other} is unknown")),
        }
    }

    async fn close(self) -> State {
        let polls = u8::try_from(self.0.polls).unwrap_or(u8::MAX);
        State { version: 1, bytes: vec![polls].into() }
    }
}

/// Panics at a poll, or while opening.
pub(crate) struct Panics(Body, u32);

impl Plugin for Panics {
    const KIND: &'static str = "panics";
    type Config = Every;

    async fn open(config: Every, cx: OpenCx) -> Result<Self, OpenError> {
        assert!(config.at > 0, "no luck while opening");
        Ok(Self(Body::new(cx, config.time())?, config.at))
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        self.0.count(out);
        assert!(self.0.polls < self.1, "no luck at poll {}", self.0.polls);
        Ok(())
    }
}

/// A gate that blocks whole threads until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    pub(crate) blocked: AtomicUsize,
    pub(crate) passed: AtomicUsize,
}

impl Gate {
    pub(crate) fn block(&self) {
        self.blocked.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
        self.passed.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Blocks its thread at a poll (or while opening) until its gate opens; then it goes on as if
/// nothing had been, and announces a device.
pub(crate) struct Blocks {
    body: Body,
    at: u32,
    gate: &'static Gate,
}

/// Each test that blocks has a gate of its own, by the instance's name.
pub(crate) fn gate(instance: &str) -> &'static Gate {
    static GATES: Mutex<Vec<(String, &'static Gate)>> = Mutex::new(Vec::new());
    let mut gates = GATES.lock().unwrap();
    if let Some((_, gate)) = gates.iter().find(|(name, _)| name == instance) {
        return gate;
    }
    let gate: &'static Gate = Box::leak(Box::default());
    gates.push((instance.to_owned(), gate));
    gate
}

impl Plugin for Blocks {
    const KIND: &'static str = "blocks";
    type Config = Every;

    async fn open(config: Every, cx: OpenCx) -> Result<Self, OpenError> {
        let gate = gate(cx.instance.as_str());
        if config.at == 0 {
            gate.block();
        }
        Ok(Self { body: Body::new(cx, config.time())?, at: config.at, gate })
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        self.body.count(out);
        if self.body.polls == self.at {
            self.gate.block();
            let late = DeviceSpec::new("late");
            assert!(self.body.cx.announce(late).is_err(), "the announcement is not taken");
            self.body.cx.keep(State { version: 9, bytes: vec![9].into() });
            out.push(&self.body.device, &self.body.key, -1.0);
        }
        Ok(())
    }
}

/// Polled every millisecond, it brings 50,000 readings each time.
pub(crate) struct Floods(Body);

impl Plugin for Floods {
    const KIND: &'static str = "floods";
    type Config = Every;

    async fn open(_: Every, cx: OpenCx) -> Result<Self, OpenError> {
        Ok(Self(Body::new(cx, Duration::from_millis(1))?))
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        for _ in 0..50_000 {
            self.0.count(out);
        }
        Ok(())
    }
}

/// Pushes without end, and looks at its turns only by the way.
pub(crate) struct Pushes(Body);

impl Plugin for Pushes {
    const KIND: &'static str = "pushes";
    type Config = Every;

    async fn open(_: Every, cx: OpenCx) -> Result<Self, OpenError> {
        Ok(Self(Body::new(cx, Duration::from_secs(10))?))
    }

    async fn poll(&mut self, _: &mut Batch) -> Result<(), PollError> {
        Ok(())
    }

    async fn run(&mut self, turns: &mut Turns) -> Result<(), PollError> {
        loop {
            let mut batch = Batch::new();
            for _ in 0..1000 {
                self.0.count(&mut batch);
            }
            turns.submit(batch).await.map_err(|e| PollError::retry(e.to_string()))?;
            tokio::select! {
                biased;
                turn = turns.next() => if matches!(turn, Turn::Stop) { return Ok(()) },
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

/// Never comes back to its turns, but does not block its thread either.
pub(crate) struct Deaf(#[expect(dead_code, reason = "kept open")] Body);

impl Plugin for Deaf {
    const KIND: &'static str = "deaf";
    type Config = Every;

    async fn open(config: Every, cx: OpenCx) -> Result<Self, OpenError> {
        Ok(Self(Body::new(cx, config.time())?))
    }

    async fn poll(&mut self, _: &mut Batch) -> Result<(), PollError> {
        Ok(())
    }

    async fn run(&mut self, _: &mut Turns) -> Result<(), PollError> {
        std::future::pending().await
    }

    async fn close(self) -> State {
        State { version: 3, bytes: vec![3].into() }
    }
}

/// Fails as it is told, until it is told to work.
pub(crate) struct Fails(Body, How);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    OpenSoon,
    OpenNever,
    Poll,
    Reopen,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failing {
    /// How.
    how: How,
}

/// Whether instances of [`Fails`] of this name work now.
pub(crate) fn works(instance: &str) -> Arc<AtomicBool> {
    static WORKS: Mutex<Vec<(String, Arc<AtomicBool>)>> = Mutex::new(Vec::new());
    let mut works = WORKS.lock().unwrap();
    if let Some((_, works)) = works.iter().find(|(name, _)| name == instance) {
        return Arc::clone(works);
    }
    works.push((instance.to_owned(), Arc::default()));
    Arc::clone(&works.last().unwrap().1)
}

impl Plugin for Fails {
    const KIND: &'static str = "fails";
    type Config = Failing;

    async fn open(config: Failing, cx: OpenCx) -> Result<Self, OpenError> {
        let works = works(cx.instance.as_str()).load(Ordering::SeqCst);
        match config.how {
            How::OpenSoon if !works => Err(OpenError::soon("the bus is not there yet")),
            How::OpenNever if !works => Err(OpenError::never("there is no such pin; name another")),
            how => Ok(Self(Body::new(cx, Duration::from_millis(5))?, how)),
        }
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        let works = works(self.0.cx.instance.as_str()).load(Ordering::SeqCst);
        match self.1 {
            How::Poll if !works => Err(PollError::retry("no answer")),
            How::Reopen if !works => Err(PollError::reopen("the line broke")),
            _ => {
                self.0.count(out);
                Ok(())
            }
        }
    }
}

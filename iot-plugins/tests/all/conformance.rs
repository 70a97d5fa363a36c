//! The suite for plugins finds what it is there to find.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use iot_core::adapter::{Out, PollFn};
use iot_core::domain::{Batch, Command, DeviceSpec, Outcome, SensorKey, SensorSpec, State};
use iot_core::port::{OpenCx, OpenError, Plugin, PollError};
use iot_testkit::conformance::plugin::assert_conforms;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::rig::kind_of;
use crate::specimens::Good;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Fault {
    ReadsBeforeItAnnounces,
    ForgetsItsIds,
    ObeysAnything,
    ClosesSlowly,
    KeepsTooMuch,
    Panics,
}

/// A plugin that does one thing wrong.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rogues {
    /// Which.
    fault: Fault,
}

struct Rogue(OpenCx, Fault);

/// Each start of a forgetful one is another.
static STARTS: AtomicU32 = AtomicU32::new(0);

impl Plugin for Rogue {
    const KIND: &'static str = "rogue";
    type Config = Rogues;

    async fn open(config: Rogues, cx: OpenCx) -> Result<Self, OpenError> {
        Ok(Self(cx, config.fault))
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        assert!(self.1 != Fault::Panics, "as told");
        let key = SensorKey::parse("n").unwrap();
        let number = match self.1 {
            Fault::ForgetsItsIds => STARTS.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        let mut spec = DeviceSpec::new(format!("rogue{number}"));
        if self.1 != Fault::ReadsBeforeItAnnounces {
            spec.sensors = vec![SensorSpec::number(key.clone(), "1")];
        }
        let device = self.0.announce(spec).unwrap();
        out.push(&device, &key, 1.0);
        Ok(())
    }

    async fn command(&mut self, command: &Command) -> Outcome {
        match self.1 {
            Fault::ObeysAnything => Outcome::Done(Json::Null),
            _ => Outcome::Refused(format!("{} is unknown", command.name)),
        }
    }

    async fn close(self) -> State {
        if self.1 == Fault::ClosesSlowly {
            tokio::time::sleep(Duration::from_millis(2100)).await;
        }
        let bytes = if self.1 == Fault::KeepsTooMuch { State::MAX + 1 } else { 0 };
        State { version: 1, bytes: vec![0; bytes].into() }
    }
}

#[test]
fn good_plugins_conform() {
    assert_conforms(kind_of::<Good>(), json!({}));
    assert_conforms(PollFn::kind(|out: &mut Out<'_>| out.number("level", 0.5)), json!({}));
}

#[test]
fn each_fault_is_named_by_its_clause() {
    for (fault, clause) in [
        ("reads_before_it_announces", "announces first: rogue0.n"),
        ("forgets_its_ids", "keeps its ids"),
        ("obeys_anything", "refuses commands: the outcome is Done"),
        ("closes_slowly", "closes in time"),
        ("keeps_too_much", "its state has 65537 bytes"),
        ("panics", "the plugin panicked"),
    ] {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            assert_conforms(kind_of::<Rogue>(), json!({"fault": fault}));
        }));
        let words = checked.unwrap_err();
        let words = words.downcast_ref::<String>().unwrap();
        assert!(words.contains(clause), "{fault}: {words}");
    }
}

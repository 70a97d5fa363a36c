//! `cargo xtask fuzz`: libFuzzer where there is one, and the tests' own mutator elsewhere.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::cargo::{self, PROFILE, cargo};
use crate::steps::{self, Ending, Step};

/// How long a target is fuzzed where nobody says.
pub(crate) const SECONDS: u64 = 60;

/// What `iot_testkit::fuzz` takes its time from.
const VARIABLE: &str = "IOT_FUZZ_SECONDS";

/// A function over bytes: a program in `fuzz/`, and a test that does the same on stable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    name: &'static str,
    package: &'static str,
    test: &'static str,
}

const TARGETS: [Target; 3] = [
    Target { name: "packets", package: "iot-mqtt", test: "no_packet_breaks_the_broker" },
    Target { name: "topics", package: "iot-mqtt", test: "no_topic_breaks_the_matcher" },
    Target { name: "payloads", package: "iot-core", test: "no_payload_breaks_the_reader" },
];

/// The target called so.
pub(crate) fn target(name: &str) -> Result<&'static Target, String> {
    TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        format!("there is no fuzz target `{name}`, only {}", names.join(", "))
    })
}

/// Fuzzes one target or all in turn, each for so many seconds.
pub(crate) fn run(root: &Path, only: Option<&Target>, seconds: u64) -> Result<Ending> {
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| only.is_none_or(|only| only == *target)).collect();
    let steps = if lib_fuzzer_is_there() {
        chosen.into_iter().map(|target| with_lib_fuzzer(root, target, seconds)).collect()
    } else {
        println!(
            "Without nightly Rust and cargo-fuzz (rustup toolchain install nightly; cargo install \
             --locked cargo-fuzz) the tests' own mutator runs, which does not see the code."
        );
        chosen.into_iter().map(|target| on_stable(root, target, seconds)).collect()
    };
    Ok(steps::run(steps))
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    cargo::forget_this_package(&mut command);
    command
}

fn lib_fuzzer_is_there() -> bool {
    let mut ask = nightly();
    ask.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// What it finds worth keeping goes to `fuzz/found`, for the corpus is what a person chose.
fn with_lib_fuzzer(root: &Path, target: &Target, seconds: u64) -> Step<'static> {
    let name = target.name;
    let root = root.to_owned();
    Step::new(name, move || {
        let found = format!("fuzz/found/{name}");
        std::fs::create_dir_all(root.join(&found)).with_context(|| format!("making {found}"))?;
        let mut fuzz = nightly();
        fuzz.current_dir(&root).args(["fuzz", "run", name, &found]);
        fuzz.arg(format!("fuzz/corpus/{name}")).arg("--");
        fuzz.arg(format!("-max_total_time={seconds}"));
        steps::run_command(fuzz)
    })
}

fn on_stable(root: &Path, target: &Target, seconds: u64) -> Step<'static> {
    let mut test = cargo(root);
    test.args(["test", "--package", target.package, "--test", "fuzz"]).args(PROFILE);
    test.arg(target.test).env(VARIABLE, seconds.to_string());
    Step::command(target.name, test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_program_a_test_and_a_corpus() {
        let root = crate::root();
        for Target { name, package, test } in &TARGETS {
            let read = |path: String| std::fs::read_to_string(root.join(path)).unwrap();
            assert!(read(format!("{package}/tests/fuzz.rs")).contains(&format!("fn {test}()")));
            assert!(read(format!("fuzz/fuzz_targets/{name}.rs")).contains("fuzz_target!"));
            assert!(root.join(format!("fuzz/corpus/{name}")).is_dir(), "{name}");
        }
        assert!(target("packet").unwrap_err().contains("packets, topics, payloads"));
    }
}

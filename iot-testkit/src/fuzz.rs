//! Fuzzing on stable: a corpus replayed, then mutated for a while, and the same input again for the
//! same seed.
//!
//! The targets are plain functions over bytes that panic where a promise is broken; libFuzzer calls
//! the same ones from `fuzz/`, and both share `fuzz/corpus/`. What this lacks is libFuzzer's sight of
//! the code: it finds what lies near the corpus, on every machine and in every run of the tests.
//!
//! ```no_run
//! iot_testkit::fuzz::run("payloads", iot_core::format::fuzz_flat);
//! ```

mod corpus;
mod mutate;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub use corpus::{Corpus, CorpusError};
pub use mutate::mutated;

/// How long one input may take, on a slow machine without optimisation.
const LONGEST: Duration = Duration::from_secs(20);

/// Overrides how long each target is fuzzed, in seconds; `cargo xtask fuzz --seconds` sets it.
pub const SECONDS: &str = "IOT_FUZZ_SECONDS";
/// Repeats a run that failed: the seed that its message names.
pub const SEED: &str = "IOT_FUZZ_SEED";

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Inputs of the corpus that were replayed.
    pub replayed: usize,
    /// Inputs made from them.
    pub mutated: u64,
}

/// Replays `fuzz/corpus/<name>` and mutates it: for 10 s in the ordinary tier, 2 minutes in the
/// long one, an hour in the soak.
///
/// # Panics
/// When the target does: with the input, and with the seed that makes it again. When the corpus
/// cannot be read or is empty, or a variable of the environment is no number.
pub fn run(name: &str, target: fn(&[u8])) -> Ran {
    let corpus = Corpus::of(name).unwrap_or_else(|error| panic!("fuzz {name}: {error}"));
    let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    let time = number(SECONDS).map_or_else(time_of_tier, Duration::from_secs);
    run_for(&corpus, time, seed, target)
}

/// Replays and mutates `corpus` for `time`. The inputs depend on corpus and seed alone; how many
/// there are depends on the machine.
///
/// # Panics
/// When the target does, or takes longer than 20 s over one input.
pub fn run_for(corpus: &Corpus, time: Duration, seed: u64, target: fn(&[u8])) -> Ran {
    for (file, input) in corpus.inputs() {
        give(target, input, || format!("{}, {file}", corpus.name()));
    }
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed() < time {
        let input = mutated(corpus, seed, n);
        give(target, &input, || {
            format!("{}, input {n} of the seed {seed} ({SEED}={seed} repeats it)", corpus.name())
        });
        n += 1;
    }
    Ran { replayed: corpus.inputs().len(), mutated: n }
}

fn give(target: fn(&[u8]), input: &[u8], whence: impl Fn() -> String) {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| target(input)));
    let what = match result {
        Err(panic) => format!("panicked: {}", message(&*panic)),
        Ok(()) if start.elapsed() > LONGEST => format!("took {:?}", start.elapsed()),
        Ok(()) => return,
    };
    panic!("fuzz {}: it {what}\nthe input: b\"{}\"", whence(), input.escape_ascii());
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text}: it must be a whole number")))
}

fn time_of_tier() -> Duration {
    Duration::from_secs(match std::env::var("IOT_TEST_TIER").as_deref() {
        Ok("long") => 120,
        Ok("soak") => 3_600,
        _ => 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        Corpus::given("words", [&b"hello world"[..], b"good day", b""])
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = |seed| (0..200).map(|n| mutated(&corpus(), seed, n)).collect::<Vec<_>>();
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }

    #[test]
    fn a_broken_promise_is_told_with_its_input_and_seed() {
        fn dislikes_d(input: &[u8]) {
            assert!(!input.ends_with(b"D"), "it ends with D");
        }
        let start = Instant::now();
        let broken = catch_unwind(|| run_for(&corpus(), LONGEST, 7, dislikes_d)).unwrap_err();
        assert!(start.elapsed() < LONGEST);
        let told = message(&*broken);
        assert!(told.contains("it ends with D") && told.contains("the seed 7"), "{told}");
        assert!(told.ends_with("D\""), "{told}");
        let n = told.split("input ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(mutated(&corpus(), 7, n.parse().unwrap()).ends_with(b"D"));
    }

    #[test]
    fn every_input_of_the_corpus_is_replayed_first() {
        let ran = run_for(&corpus(), Duration::ZERO, 0, |_| ());
        assert_eq!(ran, Ran { replayed: 3, mutated: 0 });
    }
}

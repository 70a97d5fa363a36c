//! How much a test run tries: tests read the tier from the environment and take their counts by it.

use std::process::Command;

/// The variable that tests read; absent means the ordinary tier.
const VARIABLE: &str = "IOT_TEST_TIER";

/// How much a test run tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// What every change is held to.
    Ordinary,
    /// The same tests with the counts that a release is held to.
    Long,
    /// Hours.
    Soak,
}

impl Tier {
    /// Tells the tests that `command` starts. A tier left over in the caller's environment does not count:
    /// the flag decides.
    pub(crate) fn tell(self, command: &mut Command) {
        match self {
            Tier::Ordinary => command.env_remove(VARIABLE),
            Tier::Long => command.env(VARIABLE, "long"),
            Tier::Soak => command.env(VARIABLE, "soak"),
        };
    }
}

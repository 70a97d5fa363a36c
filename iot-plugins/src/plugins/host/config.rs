//! What the plugin is told before it runs.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shortest interval, in milliseconds.
pub(super) const SHORTEST_MS: u64 = 100;
/// The longest interval, in milliseconds.
pub(super) const LONGEST_MS: u64 = 3_600_000;

/// How this machine is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "This machine",
    extend("x-ru" = {"title": "Этот компьютер", "description": "Как наблюдать за этим компьютером."})
)]
pub struct HostConfig {
    /// How often the machine is looked at.
    #[serde(default = "a_second")]
    #[schemars(
        title = "Interval",
        range(min = 100, max = 3_600_000),
        extend("x-unit" = "ms", "x-ru" = {"title": "Интервал", "description": "Как часто снимать показания."})
    )]
    pub interval_ms: u64,
    /// Where the kernel shows its hardware; another root is for containers and tests.
    #[serde(default = "sys")]
    #[schemars(
        title = "Root of sysfs",
        extend("x-advanced" = true, "x-ru" = {
            "title": "Корень sysfs",
            "description": "Где ядро показывает оборудование; другой корень нужен в контейнерах и тестах."
        })
    )]
    pub sys_root: PathBuf,
}

fn a_second() -> u64 {
    1000
}

fn sys() -> PathBuf {
    PathBuf::from("/sys")
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { interval_ms: a_second(), sys_root: sys() }
    }
}

/// An interval in milliseconds as a time, when it lies within the limits.
pub(super) fn interval(ms: u64) -> Result<Duration, String> {
    if (SHORTEST_MS..=LONGEST_MS).contains(&ms) {
        Ok(Duration::from_millis(ms))
    } else {
        Err(format!("must be {SHORTEST_MS} to {LONGEST_MS} ms, not {ms}"))
    }
}

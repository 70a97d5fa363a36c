//! The log: on standard error, for people on a terminal and as JSON lines elsewhere. Its level can
//! be changed while the gateway runs.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

/// Libraries whose ordinary lines are of no use to an operator.
const QUIET: [&str; 4] = ["sqlx", "hyper", "hyper_util", "tower_http"];

/// The log's level while the program runs.
#[derive(Debug, Clone)]
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

/// Starts the log at a level (`error` to `trace`).
pub(crate) fn start(level: &str) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        lines.with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(Level(handle))
}

impl Level {
    /// Changes the level from now on.
    pub(crate) fn set(&self, level: &str) -> anyhow::Result<()> {
        self.0.reload(filter(level)?)?;
        Ok(())
    }
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let quiet = if matches!(level, "debug" | "trace") { level } else { "warn" };
    let quiet = if level == "error" { level } else { quiet };
    let mut text = level.to_owned();
    for library in QUIET {
        text.push_str(&format!(",{library}={quiet}"));
    }
    Ok(EnvFilter::try_new(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_a_filter() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        assert!(filter("l=o=u=d").is_err());
    }
}

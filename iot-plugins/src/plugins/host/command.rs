//! The one command: the sampling interval. It is kept, and holds until the configured one changes.

use std::time::Duration;

use iot_core::domain::{CommandSpec, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::config::{HostConfig, LONGEST_MS, SHORTEST_MS, interval};

/// Its name.
pub(super) const SET_INTERVAL: &str = "set_interval";

/// The version of [`Kept`].
const VERSION: u32 = 1;

/// The command as it is announced.
pub(super) fn set_interval() -> CommandSpec {
    CommandSpec {
        name: SET_INTERVAL.to_owned(),
        title: Some("Set interval".to_owned()),
        params: json!({
            "type": "object",
            "title": "Set interval",
            "description": "How often the machine is looked at from now on.",
            "x-ru": {
                "title": "Задать интервал",
                "description": "Как часто снимать показания с этого момента."
            },
            "properties": {
                "interval_ms": {
                    "type": "integer",
                    "title": "Interval",
                    "description": "Time from one reading to the next.",
                    "minimum": SHORTEST_MS,
                    "maximum": LONGEST_MS,
                    "default": 1000,
                    "x-unit": "ms",
                    "x-ru": {
                        "title": "Интервал",
                        "description": "Время от одного показания до следующего."
                    }
                }
            },
            "required": ["interval_ms"],
            "additionalProperties": false
        }),
    }
}

/// The interval that a command asks for.
pub(super) fn asked(params: &Json) -> Result<u64, String> {
    let ms = params.get("interval_ms").and_then(Json::as_u64);
    let ms = ms.ok_or_else(|| "interval_ms must be a whole number of milliseconds".to_owned())?;
    interval(ms).map(|_| ms).map_err(|wrong| format!("interval_ms {wrong}"))
}

/// What is kept of a command.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What was asked for.
    interval_ms: u64,
    /// What was configured then: a newer configuration wins.
    configured_ms: u64,
}

/// The state that keeps an interval.
pub(super) fn keep(interval_ms: u64, config: &HostConfig) -> State {
    let kept = Kept { interval_ms, configured_ms: config.interval_ms };
    let bytes = serde_json::to_vec(&kept).unwrap_or_default();
    State { version: VERSION, bytes: bytes.into() }
}

/// The interval that holds: the one kept, where it was asked for under this configuration.
pub(super) fn restored(state: &State, config: &HostConfig) -> Result<Duration, String> {
    let kept = (state.version == VERSION)
        .then(|| serde_json::from_slice::<Kept>(&state.bytes).ok())
        .flatten()
        .filter(|kept| kept.configured_ms == config.interval_ms);
    kept.and_then(|kept| interval(kept.interval_ms).ok())
        .map_or_else(|| interval(config.interval_ms), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_interval_holds_until_the_configuration_changes() {
        let config = HostConfig::default();
        let state = keep(250, &config);
        assert_eq!(restored(&state, &config), Ok(Duration::from_millis(250)));
        let other = HostConfig { interval_ms: 5000, ..config.clone() };
        assert_eq!(restored(&state, &other), Ok(Duration::from_secs(5)));
        assert_eq!(restored(&State::none(), &config), Ok(Duration::from_secs(1)));
        let later = State { version: 2, ..state };
        assert_eq!(restored(&later, &config), Ok(Duration::from_secs(1)));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        assert_eq!(asked(&json!({"interval_ms": 100})), Ok(100));
        for wrong in
            [json!({}), json!({"interval_ms": "1"}), json!({"interval_ms": 99}), json!(null)]
        {
            assert!(asked(&wrong).unwrap_err().starts_with("interval_ms must"), "{wrong}");
        }
    }
}

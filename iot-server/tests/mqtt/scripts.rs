//! Clients in other languages: a scenario is a file, which says by its exit code how it went.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use iot_testkit::servers::{Process, find_program};

use crate::broker::{Broker, Version, folder};

/// A script gives each answer 30 s, and ends by itself.
const PLAYED_WITHIN: Duration = Duration::from_secs(180);

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mqtt").join(folder)
}

/// paho, from where xtask puts it.
fn paho(scenario: &str) -> Command {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mqtt-clients/python");
    assert!(packages.join("paho").is_dir(), "paho is missing: `cargo xtask test` fetches it");
    let mut command = Command::new(find_program("python3", "python3").unwrap());
    command.arg(here("python").join(format!("{scenario}.py")));
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// mqtt.js, from where npm puts it.
fn mqtt_js(scenario: &str) -> Command {
    let packages = here("js/node_modules/mqtt");
    assert!(packages.is_dir(), "mqtt.js is missing: `cargo xtask test` fetches it");
    let mut command = Command::new(find_program("node", "nodejs").unwrap());
    command.arg(here("js").join(format!("{scenario}.mjs")));
    command
}

fn play(mut script: Command, broker: &Broker, version: Version) {
    let address = broker.address();
    script.arg(address.ip().to_string()).arg(address.port().to_string());
    script.arg(if version == Version::V3 { "4" } else { "5" });
    let folder = folder();
    let mut process = Process::start("script", script, folder.path()).unwrap();
    let status = process.wait(PLAYED_WITHIN).unwrap();
    assert!(status.success(), "{version:?}: {status}\n{}", process.last_lines());
}

/// A test for each scenario, in each version that has what it is about.
macro_rules! scenarios {
    ($client:ident, $broker:ident: $($scenario:ident $versions:tt)+) => {
        $(
            #[test]
            fn $scenario() {
                use crate::broker::{Broker, Version::*};
                for version in $versions {
                    let script = crate::scripts::$client(stringify!($scenario));
                    crate::scripts::play(script, &Broker::$broker(), version);
                }
            }
        )+
    };
}

mod paho_and_ours {
    scenarios! { paho, ours:
        qos [V3, V5]
        retained [V3, V5]
        will [V3, V5]
        take_over [V3, V5]
        session [V3, V5]
        shared [V3, V5]
        message_expiry [V5]
        topic_alias [V5]
        receive_maximum [V5]
        packet_size [V3, V5]
    }
}

mod mqtt_js_and_ours {
    scenarios! { mqtt_js, ours:
        qos [V3, V5]
        retained [V3, V5]
        will [V3, V5]
        take_over [V3, V5]
        session [V3, V5]
        shared [V3, V5]
        message_expiry [V5]
        topic_alias [V5]
        receive_maximum [V5]
        packet_size [V3, V5]
    }
}

/// All but `receive_maximum`: mosquitto 2.0.11 sends three messages for the first one answered.
mod paho_and_mosquitto {
    scenarios! { paho, reference:
        qos [V3, V5]
        retained [V3, V5]
        will [V3, V5]
        take_over [V3, V5]
        session [V3, V5]
        shared [V3, V5]
        message_expiry [V5]
        topic_alias [V5]
        packet_size [V3, V5]
    }
}

/// All but `receive_maximum`, as with paho.
mod mqtt_js_and_mosquitto {
    scenarios! { mqtt_js, reference:
        qos [V3, V5]
        retained [V3, V5]
        will [V3, V5]
        take_over [V3, V5]
        session [V3, V5]
        shared [V3, V5]
        message_expiry [V5]
        topic_alias [V5]
        packet_size [V3, V5]
    }
}

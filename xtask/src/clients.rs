//! The MQTT clients that the embedded broker's tests speak with: mqtt.js from npm and paho from PyPI,
//! fetched when they are not there or not those of their lock file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::page;
use crate::steps::{Step, run_command};

const SCENARIOS: &str = "iot-server/tests/mqtt";
/// Where the tests look for paho.
const PYTHON: &str = "target/mqtt-clients/python";
/// What was installed, as the lock file had it.
const INSTALLED: &str = "requirements.txt";

/// A step that fetches what is not there.
pub(crate) fn packages(root: &Path) -> Step<'_> {
    Step::new("MQTT clients", || {
        page::install(&root.join(SCENARIOS).join("js"))?;
        let lock = root.join(SCENARIOS).join("python/requirements.txt");
        install_paho(&lock, &root.join(PYTHON), run_command)
    })
}

/// Installs what `lock` names into `folder`, which nothing else of the machine's Python sees.
fn install_paho(lock: &Path, folder: &Path, run: impl FnOnce(Command) -> Result<()>) -> Result<()> {
    let wanted =
        fs::read_to_string(lock).with_context(|| format!("could not read {}", lock.display()))?;
    let stamp = folder.join(INSTALLED);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("could not remove {}", folder.display()))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--require-hashes", "--root-user-action=ignore", "--target"]);
    pip.arg(folder).arg("-r").arg(lock);
    run(pip)?;
    // Written last: an interrupted run is begun again.
    fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paho_is_fetched_again_when_the_lock_has_changed() {
        let folder = std::env::temp_dir().join(format!("xtask-{}-clients", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (lock, place) = (folder.join("lock"), folder.join("python"));
        let fetched = |lock: &Path| {
            let mut ran = false;
            install_paho(lock, &place, |_| {
                ran = true;
                fs::create_dir_all(&place).map_err(Into::into)
            })
            .unwrap();
            ran
        };
        fs::write(&lock, "paho-mqtt==1").unwrap();
        assert!(fetched(&lock));
        assert!(!fetched(&lock));
        fs::write(&lock, "paho-mqtt==2").unwrap();
        assert!(fetched(&lock));
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! The page's npm packages: fetched when they are not there or older than their lock file.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::steps::{Step, run_command};

/// What builds the page, and what tests and lints it.
const FOLDERS: [&str; 2] = ["frontend", "frontend/e2e"];

/// A step that fetches what is not there.
pub(crate) fn packages(root: &Path) -> Step<'_> {
    Step::new("page packages", || {
        for folder in FOLDERS {
            install(&root.join(folder))?;
        }
        Ok(())
    })
}

/// Fetches the packages of `folder`, if they are not there.
pub(crate) fn install(folder: &Path) -> Result<()> {
    if is_fresh(folder)? {
        return Ok(());
    }
    let mut npm = npm(folder, "ci");
    npm.args(["--no-audit", "--no-fund"]);
    run_command(npm)
}

/// A step that runs one script of `folder`'s package.json.
pub(crate) fn script(root: &Path, name: &'static str, folder: &str, script: &str) -> Step<'static> {
    let mut command = npm(&root.join(folder), "run");
    command.arg(script);
    Step::command(name, command)
}

fn npm(folder: &Path, verb: &str) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder).arg(verb);
    command
}

/// Whether npm has installed what the lock file names: it writes its own copy last.
fn is_fresh(folder: &Path) -> Result<bool> {
    let lock = folder.join("package-lock.json");
    let locked = lock
        .metadata()
        .and_then(|meta| meta.modified())
        .with_context(|| format!("could not look at {}", lock.display()))?;
    let installed = folder.join("node_modules/.package-lock.json");
    Ok(installed.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at >= locked))
}

#[cfg(test)]
mod tests {
    use super::is_fresh;
    use std::fs::{self, File};
    use std::time::Duration;

    #[test]
    fn packages_are_fetched_again_when_the_lock_is_newer() {
        let folder = std::env::temp_dir().join(format!("xtask-{}-page", std::process::id()));
        fs::create_dir_all(folder.join("node_modules")).unwrap();
        assert!(is_fresh(&folder).is_err(), "no lock file: an error, not a skip");

        let lock = File::create(folder.join("package-lock.json")).unwrap();
        assert!(!is_fresh(&folder).unwrap());

        let installed = File::create(folder.join("node_modules/.package-lock.json")).unwrap();
        let at = installed.metadata().unwrap().modified().unwrap();
        lock.set_modified(at - Duration::from_secs(1)).unwrap();
        assert!(is_fresh(&folder).unwrap());
        lock.set_modified(at + Duration::from_secs(1)).unwrap();
        assert!(!is_fresh(&folder).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }
}

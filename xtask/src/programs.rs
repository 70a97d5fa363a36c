//! The programs that a run needs beside Rust: found, installed, or named with the command that
//! installs each. Nothing is ever skipped for want of one.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::install;

/// A program that a run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    name: &'static str,
    /// Any of these will do.
    commands: &'static [&'static str],
    /// The Debian package that brings it.
    package: &'static str,
    purpose: &'static str,
}

/// The stock SQLite shell.
pub(crate) const SQLITE3: Program = Program {
    name: "sqlite3",
    commands: &["sqlite3"],
    package: "sqlite3",
    purpose: "tests read the database beside the server with the stock shell",
};
/// curl.
pub(crate) const CURL: Program = Program {
    name: "curl",
    commands: &["curl"],
    package: "curl",
    purpose: "tests speak to the server as a script would",
};
/// A clock that tests set.
pub(crate) const FAKETIME: Program = Program {
    name: "faketime",
    commands: &["faketime"],
    package: "faketime",
    purpose: "tests start the server with the clock in 1970",
};
/// A browser.
pub(crate) const CHROMIUM: Program = Program {
    name: "chromium",
    commands: &["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
    purpose: "tests drive the page in a real browser",
};
/// An outside broker; it lies where only root's path leads, and is looked for there too.
pub(crate) const MOSQUITTO: Program = Program {
    name: "mosquitto",
    commands: &["mosquitto", "/usr/sbin/mosquitto"],
    package: "mosquitto",
    purpose: "tests link the server to a broker that is not ours",
};
/// Two clients of MQTT.
pub(crate) const MOSQUITTO_CLIENTS: Program = Program {
    name: "mosquitto_pub",
    commands: &["mosquitto_pub"],
    package: "mosquitto-clients",
    purpose: "tests speak to the embedded broker as a script would",
};
/// Python, for a client of MQTT.
pub(crate) const PYTHON3: Program = Program {
    name: "python3",
    commands: &["python3"],
    package: "python3",
    purpose: "tests speak to the embedded broker with paho",
};
/// What fetches that client.
pub(crate) const PIP: Program =
    Program { name: "pip3", commands: &["pip3"], package: "python3-pip", purpose: "fetches paho" };
/// Node.js, of a version that the page's build takes.
pub(crate) const NODE: Program =
    Program { name: "node", commands: &["node"], package: "nodejs", purpose: "builds the page" };
/// npm.
pub(crate) const NPM: Program = Program {
    name: "npm",
    commands: &["npm"],
    package: "npm",
    purpose: "fetches the page's packages",
};

/// Makes sure that all of `needed` are there and says whether they are. What is missing is installed
/// if `install` or CI says so or the person at the terminal does, and listed otherwise.
pub(crate) fn ensure_present(needed: &[Program], install: bool) -> Result<bool> {
    let absent = missing(needed);
    if absent.is_empty() {
        return Ok(node_is_fit(needed));
    }
    let wanted = install || std::env::var("CI").is_ok_and(|value| value == "true");
    if !(wanted || asked_and_agreed(&absent)?) {
        eprint!("{}", list(&absent));
        return Ok(false);
    }
    let packages: Vec<&str> = absent.iter().map(|program| program.package).collect();
    install::packages(&packages)?;
    let absent = missing(needed);
    ensure!(
        absent.is_empty(),
        "apt-get installed {}, but there is still no {}",
        packages.join(", "),
        names(&absent)
    );
    Ok(node_is_fit(needed))
}

fn missing(needed: &[Program]) -> Vec<Program> {
    needed
        .iter()
        .filter(|program| !program.commands.iter().any(|command| find(command).is_some()))
        .copied()
        .collect()
}

/// The place of `command` on the path.
fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(command)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Asks the person at the terminal, if there is one.
fn asked_and_agreed(absent: &[Program]) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    eprint!("Missing: {}. Install with apt-get now? [y/N] ", names(absent));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn names(programs: &[Program]) -> String {
    programs.iter().map(|program| program.name).collect::<Vec<_>>().join(", ")
}

fn list(absent: &[Program]) -> String {
    let mut text = String::from("xtask: programs are missing\n");
    for Program { name, package, purpose, .. } in absent {
        text.push_str(&format!("  {name:9} {purpose}\n            apt-get install {package}\n"));
    }
    text.push_str("`--install` or CI=true installs them: cargo xtask test --install\n");
    text
}

/// What the page's tools run on.
const NODE_VERSIONS: &str = "20.19 or a later 20, or 22.12 or later";

/// Whether Node.js, if it is needed, is of a version that the page's tools run on; if not, says so.
fn node_is_fit(needed: &[Program]) -> bool {
    if !needed.contains(&NODE) {
        return true;
    }
    let said = Command::new("node").arg("--version").output();
    let version = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match version {
        Ok(version) if node_version_fits(&version) => true,
        Ok(version) => {
            eprintln!(
                "xtask: node says its version is `{version}`; the page's build needs {NODE_VERSIONS}\n  \
                 Debian 12 has no such package: install one from https://nodejs.org"
            );
            false
        }
        Err(error) => {
            eprintln!("xtask: could not run `node --version`: {error}");
            false
        }
    }
}

/// `^20.19 || >=22.12`, as the page's package.json has it.
fn node_version_fits(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return false;
    };
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        _ => major > 22,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_judged_as_package_json_does() {
        for (version, fits) in [
            ("v20.20.2", true),
            ("v20.19.0", true),
            ("v20.18.3", false),
            ("v18.20.4", false),
            ("v21.9.0", false),
            ("v22.11.0", false),
            ("v22.12.0", true),
            ("v24.0.0", true),
            ("", false),
        ] {
            assert_eq!(node_version_fits(version), fits, "{version}");
        }
    }

    #[test]
    fn a_missing_program_is_listed_with_its_cure() {
        let none = Program {
            name: "nosuch",
            commands: &["no-such-program-anywhere"],
            package: "nosuch-bin",
            purpose: "nothing",
        };
        let absent =
            missing(&[Program { commands: &["no-such-program-anywhere", "sh"], ..none }, none]);
        assert_eq!(absent, [none]);
        assert!(list(&absent).contains("apt-get install nosuch-bin"), "{}", list(&absent));
    }
}

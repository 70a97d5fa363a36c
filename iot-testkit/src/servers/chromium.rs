//! A browser for tests of the page.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ServerError;
use super::process::find_program;

/// The names under which it is installed, ours first.
const COMMANDS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What a browser without a screen, a user or much shared memory is started with. CI runs as root,
/// where Chromium refuses its sandbox.
pub const ARGS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
];

/// Where it is.
///
/// # Errors
///
/// When none is installed; the error says how to.
pub fn path() -> Result<PathBuf, ServerError> {
    COMMANDS
        .into_iter()
        .find_map(|command| find_program(command, "chromium").ok())
        .map_or_else(|| find_program(COMMANDS[0], "chromium"), Ok)
}

/// A browser that keeps what it keeps in `profile`; add a URL, or a port for a driver.
///
/// # Errors
///
/// When none is installed.
pub fn command(profile: &Path) -> Result<Command, ServerError> {
    let mut command = Command::new(path()?);
    command.args(ARGS).arg(format!("--user-data-dir={}", profile.display()));
    Ok(command)
}

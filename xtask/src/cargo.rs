//! How cargo is called from within `cargo run`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The profile of everything that CI compiles: one tree of built code for the tests and one of
/// checked code for clippy and rustdoc, no third.
pub(crate) const PROFILE: [&str; 3] = ["--profile", "ci", "--locked"];

/// `cargo` at the root, as if it had been typed there.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root).env("CARGO_INCREMENTAL", "0");
    forget_this_package(&mut command);
    command
}

/// `cargo run` describes *this* package in the environment; build scripts that watch those variables
/// would run again each time somebody changes between `cargo xtask` and plain cargo.
pub(crate) fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_this_package) {
            command.env_remove(name);
        }
    }
}

fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"]
            .contains(&variable)
}

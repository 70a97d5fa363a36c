//! `cargo xtask lint`: formatting, clippy, rustdoc, the page's type check and lint; warnings are errors.

use std::path::Path;

use anyhow::Result;

use crate::cargo::{PROFILE, cargo};
use crate::page;
use crate::programs::{self, NODE, NPM};
use crate::steps::{self, Ending, Step};

/// The quick ones first.
pub(crate) fn run(root: &Path, install: bool) -> Result<Ending> {
    if !programs::ensure_present(&[NODE, NPM], install)? {
        return Ok(Ending::ProgramsMissing);
    }

    let mut format = cargo(root);
    format.args(["fmt", "--all", "--check"]);

    let mut clippy = cargo(root);
    clippy.args(["clippy", "--workspace", "--all-targets"]).args(PROFILE);
    clippy.args(["--", "-D", "warnings"]);

    let mut doc = cargo(root);
    doc.args(["doc", "--workspace", "--no-deps"]).args(PROFILE);
    doc.env("RUSTDOCFLAGS", "-D warnings");

    Ok(steps::run(vec![
        Step::command("format", format),
        page::packages(root),
        page::script(root, "page type check", "frontend", "check"),
        page::script(root, "page lint", "frontend/e2e", "lint"),
        Step::command("clippy", clippy),
        Step::command("rustdoc", doc),
    ]))
}

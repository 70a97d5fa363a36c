//! `cargo xtask test`: every test there is, in the tier asked for.

use std::path::Path;

use anyhow::Result;

use crate::cargo::{PROFILE, cargo};
use crate::page;
use crate::programs::{self, CHROMIUM, CURL, FAKETIME, NODE, NPM, SQLITE3};
use crate::steps::{self, Ending, Step};
use crate::tier::Tier;

/// Programs, page, Rust, examples in the documentation.
pub(crate) fn run(root: &Path, tier: Tier, install: bool) -> Result<Ending> {
    if !programs::ensure_present(&[SQLITE3, CURL, FAKETIME, CHROMIUM, NODE, NPM], install)? {
        return Ok(Ending::ProgramsMissing);
    }

    // Benchmarks are left out: run as tests they would measure nothing and cost their time.
    let mut build = cargo(root);
    build.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]).args(PROFILE);
    build.arg("--no-run");

    let mut test = cargo(root);
    test.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]).args(PROFILE);
    test.arg("--no-fail-fast");
    tier.tell(&mut test);

    let mut doc = cargo(root);
    doc.args(["test", "--workspace", "--doc"]).args(PROFILE).arg("--no-fail-fast");
    tier.tell(&mut doc);

    Ok(steps::run(vec![
        page::packages(root),
        page::script(root, "page unit tests", "frontend/e2e", "unit"),
        Step::command("build", build),
        Step::command("tests", test),
        Step::command("documentation tests", doc),
    ]))
}

//! `cargo xtask test`: every test there is, in the tier asked for.

use std::path::Path;

use anyhow::Result;

use crate::cargo::{PROFILE, cargo};
use crate::clients;
use crate::page;
use crate::programs::{
    self, CHROMIUM, CURL, FAKETIME, MOSQUITTO, MOSQUITTO_CLIENTS, NODE, NPM, PIP, PYTHON3, SQLITE3,
};
use crate::steps::{self, Ending, Step};
use crate::tier::Tier;

/// Programs, page, Rust.
pub(crate) fn run(root: &Path, tier: Tier, install: bool) -> Result<Ending> {
    let needed =
        [SQLITE3, CURL, FAKETIME, CHROMIUM, MOSQUITTO, MOSQUITTO_CLIENTS, PYTHON3, PIP, NODE, NPM];
    if !programs::ensure_present(&needed, install)? {
        return Ok(Ending::ProgramsMissing);
    }

    // Without a choice of targets cargo takes libraries, programs, tests and documentation, and builds
    // the examples as a user would. Benchmarks are left out: as tests they would measure nothing.
    let mut build = cargo(root);
    build.args(["test", "--workspace"]).args(PROFILE).arg("--no-run");

    let mut test = cargo(root);
    test.args(["test", "--workspace"]).args(PROFILE).arg("--no-fail-fast");
    tier.tell(&mut test);

    Ok(steps::run(vec![
        page::packages(root),
        clients::packages(root),
        page::script(root, "page unit tests", "frontend/e2e", "unit"),
        Step::command("build", build),
        Step::command("tests", test),
    ]))
}

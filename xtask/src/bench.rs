//! `cargo xtask bench`: criterion's measurements, then the end-to-end table.

use std::path::Path;

use anyhow::Result;

use crate::cargo::cargo;
use crate::steps::{self, Ending, Step};

/// The program that measures a whole gateway and prints one table.
const END_TO_END: &str = "end_to_end";

/// Measures what `filter` names, or everything.
pub(crate) fn run(root: &Path, filter: Option<&str>) -> Result<Ending> {
    let mut criterion = cargo(root);
    criterion.args(["bench", "--locked", "--package", "benches"]);
    if let Some(filter) = filter {
        criterion.args(["--", filter]);
    }
    // The end-to-end table measures the server's own program too, and finds it beside itself.
    let mut server = cargo(root);
    server.args(["build", "--locked", "--release", "--package", "iot-server"]);
    let mut end_to_end = cargo(root);
    end_to_end.args(["run", "--locked", "--release", "--package", "benches", "--bin", END_TO_END]);

    let mut measurements = Vec::new();
    if filter != Some(END_TO_END) {
        measurements.push(Step::command("criterion", criterion));
    }
    if filter.is_none_or(|filter| END_TO_END.contains(filter)) {
        measurements.push(Step::command("server", server));
        measurements.push(Step::command("end to end", end_to_end));
    }
    Ok(steps::run(measurements))
}

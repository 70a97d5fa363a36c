//! The database as a person reads it beside the server: with the stock `sqlite3 -readonly`.

use std::path::Path;
use std::process::Command;

use iot_testkit::servers::find_program;
use serde_json::Value as Json;

/// The rows of a query, each an object.
pub(crate) fn rows(data: &Path, query: &str) -> Result<Vec<Json>, String> {
    let text = run(data, &["-readonly", "-json"], query)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))
}

/// The only number of a query.
pub(crate) fn number(data: &Path, query: &str) -> Result<u64, String> {
    let text = run(data, &["-readonly"], query)?;
    text.trim().parse().map_err(|error| format!("{error} in {text:?}"))
}

/// Changes a database that no server has open.
pub(crate) fn change(data: &Path, statement: &str) {
    run(data, &[], statement).unwrap();
}

/// What `pragma integrity_check` says.
pub(crate) fn integrity(data: &Path) -> String {
    run(data, &["-readonly"], "pragma integrity_check").unwrap().trim().to_owned()
}

fn run(data: &Path, flags: &[&str], sql: &str) -> Result<String, String> {
    let program = find_program("sqlite3", "sqlite3").unwrap();
    let output = Command::new(program)
        .args(flags)
        .args(["-cmd", ".timeout 5000"])
        .arg(data.join("iot.db"))
        .arg(sql)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.is_empty() {
        return Err(format!("{sql}: {said}"));
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

//! What Linux counts of a process.

use anyhow::Context;

/// A folder for a row's data, beside this program: on the disk that is built on, for the usual
/// temporary folder may be memory.
pub(crate) fn folder() -> anyhow::Result<tempfile::TempDir> {
    let me = std::env::current_exe()?;
    Ok(tempfile::tempdir_in(me.parent().context("this program lies in a folder")?)?)
}

/// Bytes that a process had written to disk so far.
pub(crate) fn written(pid: &str) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/io"), "write_bytes:")
}

/// Kilobytes that a process holds in memory.
pub(crate) fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn field(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| format!("{path} has no {name}"))?.parse()?)
}

//! What Linux counts of a process, and where one lies.

use std::path::PathBuf;

use anyhow::Context;

/// The folder that this program lies in.
pub(crate) fn beside() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("this program has no path")?;
    Ok(me.parent().context("this program lies in a folder")?.to_owned())
}

/// A folder for a row's data, beside this program: on the disk that is built on, for the usual
/// temporary folder may be memory.
pub(crate) fn folder() -> anyhow::Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(beside()?)?)
}

/// The server's program, which is built with this one.
pub(crate) fn server() -> anyhow::Result<PathBuf> {
    let path = beside()?.join("iot-server");
    anyhow::ensure!(path.exists(), "{} is missing: cargo build --release first", path.display());
    Ok(path)
}

/// Bytes that a process had written to disk so far.
pub(crate) fn written(pid: &str) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/io"), "write_bytes:")
}

/// Kilobytes that a process holds in memory.
pub(crate) fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The most kilobytes that a process held in memory so far.
pub(crate) fn peak_kb(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmHWM:")
}

fn field(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| format!("{path} has no {name}"))?.parse()?)
}

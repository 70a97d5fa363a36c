//! The workspace's packages, as cargo sees them.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, which is its folder's.
    pub name: String,
    /// What it says it needs, of every kind and target.
    pub dependencies: Vec<Dependency>,
}

/// One line under `[dependencies]` or its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub name: String,
    /// When it is needed.
    pub kind: DependencyKind,
}

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyKind {
    /// Always.
    Normal,
    /// For tests, examples and benchmarks.
    Dev,
    /// For the build script.
    Build,
}

/// Every member of the workspace at `root`.
///
/// # Errors
///
/// When cargo fails or says something else than expected.
pub fn packages(root: &Path) -> io::Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or_else(|| unexpected("packages"))?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> io::Result<Package> {
    let dependencies =
        value["dependencies"].as_array().ok_or_else(|| unexpected("dependencies"))?;
    Ok(Package {
        name: name(value)?,
        dependencies: dependencies.iter().map(dependency).collect::<io::Result<_>>()?,
    })
}

fn dependency(value: &Value) -> io::Result<Dependency> {
    let kind = match value["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("dev") => DependencyKind::Dev,
        Some("build") => DependencyKind::Build,
        Some(_) => return Err(unexpected("kind")),
    };
    Ok(Dependency { name: name(value)?, kind })
}

fn name(value: &Value) -> io::Result<String> {
    value["name"].as_str().map(str::to_owned).ok_or_else(|| unexpected("name"))
}

fn unexpected(key: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{key}` in cargo's metadata"))
}

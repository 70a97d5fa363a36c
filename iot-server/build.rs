//! Gives the program its build id: version, commit and profile. Without git it is built all the
//! same, with `unknown` for the commit.
//!
//! The variable does not begin with `IOT_`: cargo also sets it for what it runs, and the program
//! refuses an `IOT_*` variable that it does not know.

use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let profile = std::env::var("PROFILE").unwrap_or_else(|_| "unknown".to_owned());
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=GATEWAY_BUILD_ID={version}+{commit}.{profile}");
    println!("cargo::rerun-if-changed=build.rs");
    // A commit changes one of these; a folder without git has none, and cargo asks for no more.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && std::path::Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

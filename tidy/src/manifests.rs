//! What each `Cargo.toml` says about lints and versions, and what may not be in `Cargo.lock`.

/// Packages that nothing may draw in: second crypto providers and second TLS stacks.
const BANNED: [&str; 4] = ["aws-lc-rs", "openssl-sys", "native-tls", "reqwest"];

/// A member's manifest that has lints of its own instead of the workspace's.
#[must_use]
pub fn own_lints(path: &str, manifest: &str) -> Option<String> {
    let inherits = sections(manifest)
        .any(|(section, line)| section == "lints" && line.replace(' ', "") == "workspace=true");
    (!inherits).then(|| format!("{path}: `[lints]` must say `workspace = true`"))
}

/// Dependencies of a member whose version does not stand in the root's manifest.
#[must_use]
pub fn own_versions(path: &str, manifest: &str) -> Vec<String> {
    sections(manifest)
        .filter(|(section, line)| section.ends_with("dependencies") && line.contains('='))
        .filter(|(_, line)| {
            let line = line.replace(' ', "");
            !(line.contains(".workspace=true") || line.contains("{workspace=true"))
        })
        .map(|(_, line)| format!("{path}: `{line}` must take its version from the workspace"))
        .collect()
}

/// The banned packages that a lock file names.
#[must_use]
pub fn banned(lock: &str) -> Vec<String> {
    BANNED
        .into_iter()
        .filter(|name| lock.lines().any(|line| line == format!("name = \"{name}\"")))
        .map(|name| {
            format!("{name} is in Cargo.lock: `cargo tree -i {name}` shows who draws it in")
        })
        .collect()
}

/// Each line with the section that it stands in, comments left out.
fn sections(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    manifest.lines().map(str::trim).filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((section, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_come_from_the_workspace() {
        assert_eq!(own_lints("a", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"), None);
        assert!(own_lints("a", "[package]\nworkspace = true\n").is_some());
        assert!(own_lints("a", "[lints.rust]\nunsafe_code = \"warn\"\n").is_some());
    }

    #[test]
    fn versions_come_from_the_workspace() {
        let good = "[dependencies]\n# why\nserde.workspace = true\n\
                    axum = { workspace = true, features = [\"ws\"] }\n[package]\nversion = \"1\"\n";
        assert_eq!(own_versions("a", good), [""; 0]);
        let bad = "[dev-dependencies]\nserde = \"1\"\ntokio = { version = \"1\" }\n";
        assert_eq!(own_versions("a", bad).len(), 2);
    }

    #[test]
    fn a_banned_package_is_found_by_its_whole_name() {
        let lock = "[[package]]\nname = \"reqwest-middleware\"\n\n[[package]]\nname = \"ring\"\n";
        assert_eq!(banned(lock), [""; 0]);
        assert_eq!(banned("name = \"native-tls\"\n").len(), 1);
    }
}

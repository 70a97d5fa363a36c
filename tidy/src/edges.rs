//! Who may depend on whom, and where the heavy dependencies live.
//!
//! ```text
//!       iot-server   examples   benches            every crate below
//!       /     |     \
//!  iot-http iot-mqtt iot-storage iot-plugins …     spokes: the hub only, never sideways
//!       \     |     /
//!         iot-core                                 no crate of ours
//!            ^
//!        iot-testkit                               the hub; the spokes' tests may use it
//! ```

use crate::packages::{DependencyKind, Package};

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Hub,
    Spoke,
    Kit,
    /// What composes the others.
    Top,
    /// What no product links.
    Workshop,
}

fn place(name: &str) -> Option<Place> {
    Some(match name {
        "iot-core" => Place::Hub,
        "iot-plugins" | "iot-wasm" | "iot-storage" | "iot-mqtt" | "iot-http" | "iot-rules" => {
            Place::Spoke
        }
        "iot-testkit" => Place::Kit,
        "iot-server" | "examples" | "benches" => Place::Top,
        "tidy" | "xtask" => Place::Workshop,
        _ => return None,
    })
}

/// Dependencies that weigh much or say what a crate is, and the only crates that may name them.
const HOMES: [(&[&str], &[&str]); 8] = [
    (&["wasmtime"], &["iot-wasm"]),
    (&["sqlx", "libsqlite3-sys", "pco", "redis", "parquet"], &["iot-storage"]),
    (&["rumqttc", "rumqttc-v4-next", "rumqttc-v5-next"], &["iot-mqtt"]),
    (&["rmqtt-codec"], &["iot-mqtt", "iot-testkit"]),
    (&["axum", "tower-http"], &["iot-http", "examples", "benches"]),
    (&["clap", "anyhow", "tracing-subscriber"], &["iot-server", "xtask", "examples", "benches"]),
    (&["sysinfo"], &["iot-plugins"]),
    (&["embedded-hal", "linux-embedded-hal"], &["iot-plugins", "iot-testkit"]),
];

/// Dependencies that point where they may not.
#[must_use]
pub fn sideways(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some(from) = place(&package.name) else {
            faults.push(format!(
                "{} has no place yet: give it one in tidy/src/edges.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(to) = place(&dependency.name) else { continue };
            if !may_depend(from, to, dependency.kind) {
                let (name, kind) = (&dependency.name, dependency.kind);
                faults.push(format!("{} may not depend on {name} ({kind:?})", package.name));
            }
        }
    }
    faults
}

fn may_depend(from: Place, to: Place, kind: DependencyKind) -> bool {
    match from {
        Place::Hub => to == Place::Kit && kind == DependencyKind::Dev,
        Place::Spoke => to == Place::Hub || (to == Place::Kit && kind == DependencyKind::Dev),
        Place::Kit => to == Place::Hub,
        Place::Top => matches!(to, Place::Hub | Place::Spoke | Place::Kit),
        Place::Workshop => false,
    }
}

/// Heavy or defining dependencies outside their homes.
#[must_use]
pub fn strays(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let home = HOMES.iter().find(|(lodgers, _)| lodgers.contains(&name));
            if let Some((_, homes)) = home
                && !homes.contains(&package.name.as_str())
            {
                let homes = homes.join(", ");
                faults.push(format!("{} names {name}, whose home is {homes}", package.name));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Dependency;
    use DependencyKind::{Build, Dev, Normal};

    fn package(name: &str, dependencies: &[(&str, DependencyKind)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, kind)| Dependency { name: name.to_owned(), kind })
            .collect();
        Package { name: name.to_owned(), dependencies }
    }

    #[test]
    fn the_drawing_is_allowed() {
        let house = [
            package("iot-core", &[("iot-testkit", Dev), ("tokio", Normal)]),
            package("iot-http", &[("iot-core", Normal), ("iot-testkit", Dev), ("axum", Normal)]),
            package("iot-testkit", &[("iot-core", Normal)]),
            package("iot-server", &[("iot-http", Normal), ("iot-testkit", Normal)]),
            package("examples", &[("iot-core", Normal), ("axum", Normal), ("anyhow", Normal)]),
            package("xtask", &[("anyhow", Normal)]),
        ];
        assert_eq!(sideways(&house), [""; 0]);
        assert_eq!(strays(&house), [""; 0]);
    }

    #[test]
    fn every_other_edge_is_a_fault() {
        for (from, to, kind) in [
            ("iot-core", "iot-storage", Dev),
            ("iot-core", "iot-testkit", Normal),
            ("iot-http", "iot-storage", Normal),
            ("iot-http", "iot-storage", Dev),
            ("iot-mqtt", "iot-testkit", Build),
            ("iot-testkit", "iot-plugins", Dev),
            ("examples", "iot-server", Normal),
            ("tidy", "iot-core", Normal),
        ] {
            let faults = sideways(&[package(from, &[(to, kind)])]);
            assert_eq!(faults, [format!("{from} may not depend on {to} ({kind:?})")]);
        }
        assert_eq!(sideways(&[package("iot-new", &[])]).len(), 1);
    }

    #[test]
    fn a_stray_is_sent_home() {
        let faults = strays(&[package("iot-core", &[("sqlx", Dev), ("rumqttc-v5-next", Normal)])]);
        assert_eq!(
            faults,
            [
                "iot-core names sqlx, whose home is iot-storage",
                "iot-core names rumqttc-v5-next, whose home is iot-mqtt",
            ]
        );
    }
}

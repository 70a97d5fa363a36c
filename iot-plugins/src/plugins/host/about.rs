//! What the machine is: a name for people, who made it, and facts that tell machines apart at a
//! glance. Its machine-id is not among them: it is to be kept to itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use iot_core::domain::DeviceSpec;
use sysinfo::System;

/// The hardware's identity: one machine has one host.
const HARDWARE: &str = "host";

/// What makers leave in a field that they did not fill.
const UNFILLED: [&str; 6] = [
    "to be filled by o.e.m.",
    "default string",
    "system manufacturer",
    "system product name",
    "not specified",
    "none",
];

/// The machine as a device, without sensors and commands.
pub(super) fn device(sys_root: &Path, system: &System) -> DeviceSpec {
    let mut spec = DeviceSpec::new(HARDWARE);
    let host_name = System::host_name().ok();
    spec.name.clone_from(&host_name);
    spec.manufacturer = field(&sys_root.join("class/dmi/id/sys_vendor"));
    spec.model = field(&sys_root.join("class/dmi/id/product_name"))
        .or_else(|| field(&sys_root.join("firmware/devicetree/base/model")));
    let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
    let facts = [
        ("hostname", host_name),
        ("os", System::long_os_version().ok()),
        ("kernel", System::kernel_version().ok()),
        ("architecture", Some(System::cpu_arch())),
        ("cpu", cpu),
        ("cores", Some(system.cpus().len().to_string())),
        ("memory_bytes", Some(system.total_memory().to_string())),
    ];
    let known = facts.into_iter().filter_map(|(key, fact)| Some((key.to_owned(), fact?)));
    spec.attributes = known.filter(|(_, fact)| !fact.is_empty()).collect::<BTreeMap<_, _>>();
    spec
}

/// One line of a file; the device tree's end with a NUL.
fn field(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let filled = !text.is_empty() && !UNFILLED.contains(&text.to_ascii_lowercase().as_str());
    filled.then(|| text.chars().take(200).collect())
}

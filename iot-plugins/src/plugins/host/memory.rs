//! Memory, swap, and how long the machine has been up.

use sysinfo::System;

use super::measured::{Findings, Form, count};

/// Measures now.
pub(super) fn measure(system: &mut System, found: &mut Findings) {
    system.refresh_memory();
    let mut bytes = |key: &str, name: &str, n: u64| {
        found.add(key, name, Form::BYTES, Ok(count(n)));
    };
    bytes("memory_used", "Memory used", system.used_memory());
    bytes("memory_available", "Memory available", system.available_memory());
    bytes("swap_used", "Swap used", system.used_swap());
    let uptime = System::uptime().map(count).map_err(|e| e.to_string());
    found.add("uptime", "Uptime", Form::SECONDS, uptime);
}

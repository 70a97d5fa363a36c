//! Processor load, whole and by core, and the load average.

use sysinfo::System;

use super::measured::{Findings, Form};

/// Cores beyond this are left out, so that a large machine's device stays within 200 sensors.
const MOST_CORES: usize = 96;

/// Takes the sample that the next load is measured from. Looks closer together than 200 ms repeat
/// the last load.
pub(super) fn refresh(system: &mut System) {
    system.refresh_cpu_usage();
}

/// What was measured between the last two samples.
pub(super) fn measure(system: &System, found: &mut Findings) {
    let load = Ok(f64::from(system.global_cpu_usage()));
    found.add("cpu_load", "CPU load", Form::PERCENT, load);
    for (number, core) in system.cpus().iter().enumerate().take(MOST_CORES) {
        let (key, name) = (format!("cpu_load_{number}"), format!("CPU load, core {number}"));
        found.add(&key, &name, Form::PERCENT, Ok(f64::from(core.usage())));
    }
    let average = System::load_average().map_err(|e| e.to_string());
    let mut load = |key: &str, name: &str, pick: fn(&sysinfo::LoadAvg) -> f64| {
        found.add(key, name, Form::LOAD, average.as_ref().map(pick).map_err(Clone::clone));
    };
    load("load_1", "Load average, 1 min", |a| a.one);
    load("load_5", "Load average, 5 min", |a| a.five);
    load("load_15", "Load average, 15 min", |a| a.fifteen);
}

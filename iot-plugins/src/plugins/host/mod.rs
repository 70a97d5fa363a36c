//! This machine as a device: load, memory, disks, network, temperatures.
//!
//! - `plugin`: the plugin: what it keeps, a poll, its device
//! - `config`, `command`: what it can be told, before and while it runs
//! - `cpu`, `memory`, `disk`, `network`: by the `sysinfo` crate
//! - `sysfs`: temperatures, by `/sys/class/{hwmon,thermal}`
//! - `about`: what the machine is
//! - `measured`, `key`: a sensor with its value, and the sensor keys made from names

mod about;
mod command;
mod config;
mod cpu;
mod disk;
mod key;
mod measured;
mod memory;
mod network;
mod plugin;
mod sysfs;

pub use config::HostConfig;
pub use plugin::Host;

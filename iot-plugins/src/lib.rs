//! Runs the plugins of an IoT gateway and brings those that are built in.
//!
//! It stores, sends and decides nothing: what a plugin reads is handed to the gateway's desk.
//! Depend on `iot-core` to write a plugin; depend on this crate to run some. It registers itself, so
//! a program names it once:
//!
//! ```
//! use iot_plugins as _;
//! use iot_core::registry::Registered;
//!
//! # fn main() -> Result<(), iot_core::registry::RegistryError> {
//! let registered = Registered::collect()?;
//! assert!(registered.host().is_some());
//! assert!(registered.plugin("host").is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! Modules, in the data's order:
//!
//! - [`plugins`]: what speaks to devices, a folder each
//! - [`host`]: the threads that they run on, their schedules, failures and commands

pub mod host;
pub mod plugins;

pub use plugins::host::Host;

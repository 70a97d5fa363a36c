//! How the gateway's words are spelled outside. Pure: bytes and values in, bytes and values out.
//!
//! - [`device`]: a device as the API and MQTT show it
//! - [`flat`]: readings as JSON, the form of `devices/{device_id}/data`

pub mod device;
pub mod flat;
mod fuzz;

#[doc(hidden)]
pub use fuzz::fuzz_flat;

//! What stands in the payloads that devices and gateways exchange, read and written; no input or
//! output of its own.
//!
//! - [`flat`]: readings as JSON, the form of `devices/{device_id}/data`

pub mod flat;
mod fuzz;

#[doc(hidden)]
pub use fuzz::fuzz_flat;

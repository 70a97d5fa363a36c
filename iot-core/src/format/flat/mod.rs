//! The JSON of readings in MQTT payloads, both ways.
//!
//! A device sends a flat object, `{"ts":1700000000123,"temperature":21.5,"door":true}`, or
//! `{"ts":…,"values":{…}}`, or an array of either, its backlog. Nested objects are flattened with
//! `_`, `null` is no value and is skipped. The gateway writes the flat object.
//!
//! `ts`, `values` and `time` are never sensor keys, neither at the top nor inside `values`; deeper
//! they are part of a flattened name, as any other. A `ts` that is no time makes the readings
//! suspect at their arrival, and does not cost them.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{FlatError, Read, read};
pub use write::write;

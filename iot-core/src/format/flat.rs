//! Readings as JSON: a flat object of one device's values at one instant,
//! `{"ts":1700000000123,"temperature":21.5,"door":true}`.
//!
//! Also read: the values in an object of their own, `{"ts":…,"values":{…}}`, and an array of
//! either, a device's backlog. The rules:
//!
//! - `ts`, `values` and `time` at the top of an instant mean what they say and are never sensors.
//!   Keys beside `values` are taken too. Within `values` the three are refused names; deeper down
//!   they are parts of a longer key (`{"a":{"ts":1}}` is the sensor `a_ts`).
//! - A nested object is flattened with `_`; `null` means "no value" and is skipped.
//! - `ts` is epoch milliseconds, whole or with a fraction down to the microsecond, or RFC 3339 text.
//!   A `ts` that is no time is no error: it becomes an instant that intake calls suspect, so that
//!   the reading is stored at its arrival.
//! - `"time":"unsynced"` is counted; anything else there means nothing.
//! - A key that is no sensor key, and a value that is no value (an array), are refused one by one
//!   and counted; what stands beside them is taken.
//! - Anything else is malformed as a whole, and nothing of it is taken, backlogs included: what is
//!   not JSON, what is nested deeper than 16 levels, and a key that stands twice in one instant,
//!   be it only after flattening, for there is no telling which value was meant.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use crate::domain::{Batch, DeviceId};

pub use writer::write;

/// How deep objects and arrays may stand within an instant.
const DEEPEST: usize = 16;

/// What was in a payload that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Read {
    /// Samples added to the batch.
    pub samples: usize,
    /// Objects that stood for an instant: one, or the length of the array.
    pub instants: usize,
    /// Instants whose sender says that its clock was not set.
    pub unsynced: usize,
    /// Values refused because their key is no sensor key.
    pub refused_names: usize,
    /// Values refused because they are none: arrays, or `values` that is no object.
    pub refused_values: usize,
}

/// Why a payload is no readings as a whole: what is wrong, and in which line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload is malformed: {what}")]
pub struct FlatError {
    what: String,
}

impl From<serde_json::Error> for FlatError {
    fn from(error: serde_json::Error) -> Self {
        Self { what: error.to_string() }
    }
}

/// Reads the payload of `devices/{device_id}/data` into `out`.
///
/// It goes over the bytes once and builds no tree of them. At most 16 levels deep, it cannot
/// exhaust the stack; the memory it takes is at most some forty times the payload's.
///
/// # Errors
/// When the payload is malformed as a whole; `out` is then as it was.
pub fn read(payload: &[u8], device: &DeviceId, out: &mut Batch) -> Result<Read, FlatError> {
    let before = out.len();
    reader::read(payload, device, out).map_err(|error| {
        out.truncate(before);
        error.into()
    })
}

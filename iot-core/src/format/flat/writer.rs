//! Readings of one device and instant as the gateway publishes them.

use serde::Serialize;

use crate::domain::{SensorKey, Timestamp, Value};

/// Appends the flat form to `out`: `{"ts":1700000000123,"temperature":21.5,"door":true}`.
///
/// A reading without a value, and a number that is not finite, is `null`; `"time":"unsynced"` stands
/// after `ts` where the clock was not set. `ts` is in milliseconds; microseconds, which only a
/// device's own time has, follow as a fraction (`1700000000123.456`), which [`read`](super::read)
/// gives back exactly between the years 1831 and 2109: a double holds no more.
///
/// Each key is to be given once: a reader takes a second one for a mistake.
pub fn write<'v>(
    out: &mut Vec<u8>,
    ts: Timestamp,
    unsynced: bool,
    values: impl IntoIterator<Item = (&'v SensorKey, Option<&'v Value>)>,
) {
    out.extend_from_slice(b"{\"ts\":");
    millis(out, ts);
    if unsynced {
        out.extend_from_slice(b",\"time\":\"unsynced\"");
    }
    for (key, value) in values {
        out.extend_from_slice(b",\"");
        // A key has no character that JSON would escape.
        out.extend_from_slice(key.as_str().as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Some(value) => json(out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

fn millis(out: &mut Vec<u8>, ts: Timestamp) {
    let us = ts.as_micros();
    let fraction = us.unsigned_abs() % 1_000;
    if fraction == 0 {
        return json(out, &(us / 1_000));
    }
    if us < 0 {
        out.push(b'-');
    }
    json(out, &(us.unsigned_abs() / 1_000));
    out.push(b'.');
    let digits = [100, 10, 1].map(|place| b'0' + (fraction / place % 10) as u8);
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..3 - zeros]);
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let before = out.len();
    // A number, a boolean or a text into memory cannot fail; if it did, it would have no value.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

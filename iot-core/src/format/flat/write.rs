//! Writing: the gateway's own publication of the readings of one device and instant.

use std::io::Write as _;

use crate::domain::{SensorKey, Timestamp, Value};

/// Whole numbers up to this are written without a fraction; beyond it a double has no fractions
/// anyway, and takes fewer digits with an exponent.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Appends `{"ts":1700000000123,"temperature":21.5,"door":null}`; `null` where there is no value,
/// `"time":"unsynced"` where the gateway's clock was not set. `ts` is in milliseconds, with three
/// decimals where the device gave its time more exactly.
pub fn write<'a>(
    out: &mut Vec<u8>,
    ts: Timestamp,
    unsynced: bool,
    values: impl IntoIterator<Item = (&'a SensorKey, Option<&'a Value>)>,
) {
    out.extend_from_slice(b"{\"ts\":");
    let us = ts.as_micros();
    if us % 1_000 == 0 {
        number(out, format_args!("{}", us / 1_000));
    } else {
        let (sign, us) = (if us < 0 { "-" } else { "" }, us.unsigned_abs());
        number(out, format_args!("{sign}{}.{:03}", us / 1_000, us % 1_000));
    }
    for (key, value) in values {
        // A key has no character that JSON escapes.
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key.as_str().as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            None => out.extend_from_slice(b"null"),
            Some(Value::Bool(true)) => out.extend_from_slice(b"true"),
            Some(Value::Bool(false)) => out.extend_from_slice(b"false"),
            Some(Value::Number(n)) if n.fract() == 0.0 && n.abs() < WHOLE && !is_minus_zero(*n) => {
                number(out, format_args!("{}", *n as i64));
            }
            Some(Value::Number(n)) => json(out, n),
            Some(Value::Text(text)) => json(out, &**text),
        }
    }
    if unsynced {
        out.extend_from_slice(b",\"time\":\"unsynced\"");
    }
    out.push(b'}');
}

fn is_minus_zero(n: f64) -> bool {
    n == 0.0 && n.is_sign_negative()
}

fn number(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    drop(out.write_fmt(text));
}

fn json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    let start = out.len();
    // Neither texts nor finite numbers fail; an infinite one is written as null by the library.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

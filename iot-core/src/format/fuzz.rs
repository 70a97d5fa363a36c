//! What is fuzzed, as plain functions over bytes that panic where a promise is broken.

use super::flat::{read, write};
use crate::domain::{Batch, DeviceId, Quality, Timestamp, Value};

/// Any bytes as readings: refused as a whole with nothing taken, or taken as what they say, so that
/// writing them gives the same again.
///
/// # Panics
/// A promise of [`read()`] or [`write()`] is broken.
pub fn fuzz_flat(data: &[u8]) {
    let Ok(device) = DeviceId::parse("fuzzed") else { return };
    let mut batch = Batch::new();
    let counts = match read(data, &device, &mut batch) {
        Ok(counts) => counts,
        Err(error) => {
            assert!(batch.is_empty(), "{error}, and yet something was taken");
            return assert!(error.to_string().len() < 1_000, "{error}");
        }
    };
    let samples = batch.samples();
    assert_eq!(counts.samples, samples.len());
    assert!(counts.unsynced <= counts.instants);
    for sample in samples {
        assert_eq!((&sample.device, &sample.quality), (&device, &Quality::Good));
        assert!(sample.value.as_ref().is_some_and(finite), "{sample:?}");
    }
    if counts.instants != 1 {
        return;
    }
    let ts = samples.first().and_then(|sample| sample.ts).unwrap_or_default();
    // Fractions of a millisecond are exact up to here, on both sides of 1970.
    let most = Timestamp::from_millis(4_398_000_000_000).as_micros().unsigned_abs();
    if ts.as_micros().unsigned_abs() > most && ts.as_micros() % 1_000 != 0 {
        return;
    }
    let values = samples.iter().map(|sample| (&sample.key, sample.value.as_ref()));
    let mut written = Vec::new();
    write(&mut written, ts, counts.unsynced == 1, values);
    let mut again = Batch::new();
    let result = read(&written, &device, &mut again);
    assert_eq!(
        result.as_ref().map(|read| (read.samples, read.unsynced)),
        Ok((counts.samples, counts.unsynced)),
        "{}",
        written.escape_ascii()
    );
    for (one, other) in samples.iter().zip(again.samples()) {
        assert_eq!((&one.key, &one.value, Some(ts)), (&other.key, &other.value, other.ts));
    }
}

fn finite(value: &Value) -> bool {
    value.as_number().is_none_or(f64::is_finite)
}

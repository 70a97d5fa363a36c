//! Readings as they lie in a payload, until the core's own reader is there.

use iot_core::domain::{Batch, DeviceId, Quality, Sample, SensorKey, Timestamp, Value};
use serde_json::Value as Json;

/// Reads a payload into a batch; how many of its keys are none.
///
/// # Errors
/// When it is not JSON, or no object.
pub(crate) fn read(
    payload: &[u8],
    device: &DeviceId,
    batch: &mut Batch,
) -> Result<u64, serde_json::Error> {
    let map: serde_json::Map<String, Json> = serde_json::from_slice(payload)?;
    let ts = map.get("ts").and_then(Json::as_i64).map(Timestamp::from_millis);
    let mut bad = 0;
    for (key, value) in map {
        if key == "ts" || key == "time" || value.is_null() {
            continue;
        }
        let value = match value {
            Json::Bool(b) => Value::Bool(b),
            Json::Number(n) => Value::Number(n.as_f64().unwrap_or_default()),
            Json::String(s) => Value::from(s.as_str()),
            _ => continue,
        };
        match SensorKey::parse(&key) {
            Ok(key) => batch.push_sample(Sample {
                device: device.clone(),
                key,
                ts,
                value: Some(value),
                quality: Quality::Good,
            }),
            Err(_) => bad += 1,
        }
    }
    Ok(bad)
}

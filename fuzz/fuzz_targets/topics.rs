//! Filters and names against a matcher too simple to be wrong.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iot_mqtt::fuzz::topics(data));

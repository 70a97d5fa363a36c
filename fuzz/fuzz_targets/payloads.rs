//! Readings as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iot_core::format::fuzz_flat(data));

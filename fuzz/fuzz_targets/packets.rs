//! What several clients send, through codec and broker.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iot_mqtt::fuzz::packets(data));

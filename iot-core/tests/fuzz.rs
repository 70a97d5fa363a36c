//! Payloads that nobody wrote.
#![cfg(test)]

#[test]
fn no_payload_breaks_the_reader() {
    iot_testkit::fuzz::run("payloads", iot_core::format::fuzz_flat);
}

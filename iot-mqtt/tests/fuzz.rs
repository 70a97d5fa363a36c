//! Packets and topics that nobody wrote.
#![cfg(test)]

#[test]
fn no_packet_breaks_the_broker() {
    iot_testkit::fuzz::run("packets", iot_mqtt::fuzz::packets);
}

#[test]
fn no_topic_breaks_the_matcher() {
    iot_testkit::fuzz::run("topics", iot_mqtt::fuzz::topics);
}

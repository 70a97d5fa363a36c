use iot_testkit::mqtt::{QoS, Version};
use serde_json::{Value as Json, json};

use super::kit::{QUIET, Rig, VERSIONS, data, reading};

#[tokio::test]
async fn what_comes_by_other_ways_is_published_here_in_order_and_with_its_seq() {
    let rig = Rig::start("pub-order").await;
    rig.gateway.submit(reading("attic", 0, 0.0)).await.unwrap();
    for (round, version) in VERSIONS.into_iter().enumerate() {
        let mut client = rig.client(version, "hears").await;
        client.subscribe("devices/+/data", QoS::AtLeastOnce).await.unwrap();
        for n in 1..=200 {
            rig.gateway.submit(reading("attic", n, 1.0)).await.unwrap();
        }
        let mut last = 0;
        for n in 1..=200_i64 {
            let message = client.expect_message().await.unwrap();
            let told: Json = serde_json::from_str(&message.text()).unwrap();
            assert_eq!(told, json!({"ts": 1_700_000_000_000_i64 + n, "t": 1.0}));
            if version == Version::V5 {
                let seq: u64 = message.user_property("seq").unwrap().parse().unwrap();
                assert!(seq > last, "in the order of the log");
                last = seq;
                assert_eq!(message.user_property("gw"), Some("gw"));
            }
        }
        assert_eq!(client.message_within(QUIET).await.unwrap(), None, "round {round}: each once");
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn what_was_before_anybody_subscribed_is_passed_over_and_counted() {
    let rig = Rig::start("pub-before").await;
    for n in 0..50 {
        rig.gateway.submit(reading("attic", n, 1.0)).await.unwrap();
    }
    let mut client = rig.client(Version::V3, "hears").await;
    client.subscribe("devices/+/data", QoS::AtLeastOnce).await.unwrap();
    rig.gateway.submit(reading("attic", 100, 2.0)).await.unwrap();
    assert!(client.expect_message().await.unwrap().text().contains("2.0"));
    rig.gateway.submit(reading("attic", 101, 3.0)).await.unwrap();
    let ledger = rig.gateway.diagnostics().ledger;
    let share = &ledger.consumers["listener:mqtt"];
    let all = share.acknowledged + share.filtered + share.pending;
    assert_eq!(all, 52, "{share:?}");
    assert!(share.filtered >= 49 && share.dropped.is_empty(), "{share:?}");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn what_a_device_sends_here_is_handed_on_once_and_as_it_was() {
    let rig = Rig::start("pub-own").await;
    for version in VERSIONS {
        let mut hears = rig.client(version, "hears").await;
        hears.subscribe("devices/pump/data", QoS::AtLeastOnce).await.unwrap();
        let mut pump = rig.client(version, "pump").await;
        let payload = r#"{ "ts": 1700000000123, "t": 1 }"#;
        pump.publish_and_wait(data("pump", payload)).await.unwrap();
        assert_eq!(hears.expect_message().await.unwrap().text(), payload);
        assert_eq!(hears.message_within(QUIET).await.unwrap(), None, "no echo");
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn gateway_and_devices_are_introduced_to_whoever_comes() {
    let rig = Rig::start("pub-info").await;
    rig.gateway.submit(reading("attic", 0, 1.0)).await.unwrap();
    let mut pump = rig.client(Version::V3, "pump").await;
    pump.publish_and_wait(data("pump", r#"{"t":1}"#)).await.unwrap();
    let mut client = rig.client(Version::V5, "hears").await;
    let wanted = [
        ("gateways/gw/status", "online"),
        ("devices/attic/status", "online"),
        ("devices/attic/info", "\"home\":\"api\""),
        ("devices/pump/info", "\"home\":\"listener:mqtt\""),
    ];
    for (topic, part) in wanted {
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let message = client.expect_message().await.unwrap();
        assert_eq!(message.topic, topic);
        assert!(message.text().contains(part), "{topic}: {}", message.text());
        client.unsubscribe(topic).await.unwrap();
    }
    client.subscribe("devices/pump/status", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(client.message_within(QUIET).await.unwrap(), None, "the pump says that itself");
    rig.gateway.stop().await;
}

//! What a link sends.

use iot_core::domain::{Batch, Quality, Sample, SensorKey, Value};
use iot_core::port::LinkState;
use iot_testkit::mqtt::{Connect, QoS, Version};
use iot_testkit::servers::{Mosquitto, Proxy};
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use super::kit::{Rig, VERSIONS, WITHIN, broker, device, listener, next_on};

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_published_in_order_and_the_cursor_follows_in_both_versions() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let rig = Rig::start(
            &format!("out-{word}"),
            broker.address(),
            json!({"version": word, "prefix": "site/"}),
        )
        .await;
        let mut heard = Connect::new(version, "listener").open(broker.address()).await.unwrap();
        heard.subscribe("site/devices/+/data", QoS::AtLeastOnce).await.unwrap();
        rig.stands(LinkState::Live).await;
        rig.submit("attic", 0, 50).await;
        rig.submit("attic", 50, 1).await;
        for n in 0..51 {
            let message = heard.expect_message().await.unwrap();
            assert_eq!(message.topic, "site/devices/attic/data");
            let json: Json = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(json["ts"], 1_767_225_600_000_i64 + n);
            assert_eq!(json["n"].as_f64(), Some(n as f64));
            if version == Version::V5 {
                assert_eq!(message.user_property("gw"), Some("gw"));
                assert_eq!(message.user_property("seq"), Some((n + 1).to_string().as_str()));
            }
        }
        let view = rig.settled().await;
        assert_eq!((view.state, view.acknowledged), (LinkState::Live, 51));
        assert!(view.dropped.is_empty(), "{view:?}");
        assert_eq!((view.lag_s, view.backlog_bytes), (0.0, 0));
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_the_gateway_are_described_and_kept_by_the_broker() {
    let broker = broker();
    let rig = Rig::start("out-info", broker.address(), json!({})).await;
    rig.submit("attic", 0, 1).await;
    rig.settled().await;
    let mut late = listener(broker.address(), Version::V5).await;
    let mut kept = std::collections::BTreeMap::new();
    while kept.len() < 3 {
        let message = late.expect_message().await.unwrap();
        if message.retain {
            kept.insert(message.topic.clone(), message.text());
        }
    }
    assert_eq!(kept["gateways/gw/status"], "online");
    assert_eq!(kept["devices/attic/status"], "online");
    let info: Json = serde_json::from_str(&kept["devices/attic/info"]).unwrap();
    assert_eq!((&info["device_id"], &info["home"]), (&json!("attic"), &json!("api")));
    assert_eq!(info["sensors"][0]["sensor_id"], "attic.n");
    assert!(info["sensors"][0].get("latest").is_none(), "{info}");
    rig.gateway
        .remove_device(&iot_core::domain::Principal::local(), &device("attic"), true)
        .await
        .unwrap();
    assert_eq!(next_on(&mut late, "devices/attic/info").await.text(), "", "and taken away again");
    rig.stop().await;
    assert_eq!(next_on(&mut late, "gateways/gw/status").await.text(), "offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_dies_is_told_by_its_will() {
    let broker = broker();
    let rig = Rig::start("out-will", broker.address(), json!({})).await;
    let mut heard = listener(broker.address(), Version::V5).await;
    assert_eq!(next_on(&mut heard, "gateways/gw/status").await.text(), "online");
    let gateway = rig.crash().await;
    assert_eq!(next_on(&mut heard, "gateways/gw/status").await.text(), "offline");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_devices_asked_for_go_out_and_the_others_are_passed_over() {
    let broker = broker();
    let rig = Rig::start("out-some", broker.address(), json!({"devices": ["attic"]})).await;
    let mut heard = listener(broker.address(), Version::V3).await;
    rig.submit("cellar", 0, 3).await;
    rig.submit("attic", 0, 1).await;
    let view = rig.settled().await;
    assert_eq!(view.acknowledged, 1);
    assert!(view.dropped.is_empty());
    // The cursor's move rides on a commit.
    rig.submit("cellar", 3, 1).await;
    rig.submit("cellar", 4, 1).await;
    until("the ledger has it too", WITHIN, async || {
        let consumer = &rig.gateway.diagnostics().ledger.consumers["mqtt:up"];
        if consumer.filtered >= 3 && consumer.acknowledged == 1 {
            Ok(())
        } else {
            Err(format!("{consumer:?}"))
        }
    })
    .await;
    while let Some(message) =
        heard.message_within(std::time::Duration::from_millis(300)).await.unwrap()
    {
        assert!(!message.topic.contains("cellar"), "{message:?}");
    }
    rig.stop().await;
}

/// 20 KB, 300 KB and what is more than the broker takes, each of one instant.
async fn large(rig: &Rig) {
    for (id, sensors) in [("small", 20_u32), ("large", 190), ("larger", 200)] {
        let mut batch = Batch::new();
        for n in 0..sensors {
            batch.push_sample(Sample {
                device: device(id),
                key: SensorKey::parse(&format!("text{n}")).unwrap(),
                ts: None,
                value: Some(Value::from("x".repeat(1_000).as_str())),
                quality: Quality::Good,
            });
        }
        rig.gateway.submit(batch).await.unwrap();
    }
    rig.submit("attic", 0, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_what_is_larger_than_the_broker_takes_is_counted_and_the_rest_goes_on() {
    let broker = Mosquitto::builder().line("max_packet_size 200000").start().unwrap();
    let proxy = Proxy::start(broker.address()).unwrap();
    let rig = Rig::start("out-large", proxy.address(), json!({})).await;
    rig.stands(LinkState::Live).await;
    large(&rig).await;
    let view = rig.settled().await;
    assert_eq!(view.acknowledged, 215);
    assert_eq!(view.dropped.iter().collect::<Vec<_>>(), [(&"too_large", &200)]);
    assert!(view.reason.unwrap().contains("200000"));
    assert_eq!(proxy.connections(), 1, "it did not cost the connection");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_a_broker_that_cannot_say_how_much_it_takes_is_not_stuck_on_what_is_more() {
    let broker = Mosquitto::builder().line("max_packet_size 200000").start().unwrap();
    let rig = Rig::start("out-large-3", broker.address(), json!({"version": "3.1.1"})).await;
    rig.stands(LinkState::Live).await;
    large(&rig).await;
    // It takes a few sessions, each after a longer pause, to be sure.
    let view = until("it is found out", WITHIN * 3, async || {
        let view = rig.view();
        if view.lag == 0 { Ok(view) } else { Err(format!("{view:?}")) }
    })
    .await;
    assert_eq!(view.acknowledged, 215);
    assert_eq!(view.dropped.iter().collect::<Vec<_>>(), [(&"too_large", &200)]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_the_start_sends_what_is_on_file() {
    let broker = broker();
    let rig = Rig::start("out-file", broker.address(), json!({"url": "mqtt://127.0.0.1:1"})).await;
    rig.submit("attic", 0, 2_500).await;
    rig.stop().await;
    let table = json!({"name": "late", "from": "start"});
    let rig = Rig::start("out-file", broker.address(), table).await;
    let view = rig.settled().await;
    assert_eq!(view.acknowledged, 2_500);
    let table = json!({"name": "new"});
    rig.stop().await;
    let rig = Rig::start("out-file", broker.address(), table).await;
    rig.stands(LinkState::Live).await;
    rig.submit("attic", 2_500, 1).await;
    assert_eq!(rig.settled().await.acknowledged, 1, "a new link begins at the end");
    rig.stop().await;
}

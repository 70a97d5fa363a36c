use iot_core::domain::{DeviceState, Home};
use iot_testkit::mqtt::{Connect, Message, QoS, Version};
use iot_testkit::wait::until;

use super::kit::{QUIET, Rig, VERSIONS, WITHIN, data, device, reading};

#[tokio::test]
async fn readings_are_taken_in_all_their_forms() {
    let rig = Rig::start("read-forms").await;
    let mut client = rig.client(Version::V3, "sensor").await;
    let forms = [
        (r#"{"ts":1700000000123,"a":21.5,"door":true}"#, 2),
        (r#"{"ts":1700000000124,"values":{"b":1,"c":"text"}}"#, 2),
        (r#"[{"ts":1700000000125,"d":1},{"ts":1700000000126,"values":{"d":2}}]"#, 2),
        (r#"{"outer":{"inner":3},"skipped":null}"#, 1),
    ];
    let mut all = 0;
    for (payload, readings) in forms {
        client.publish_and_wait(data("attic", payload)).await.unwrap();
        all += readings;
        assert_eq!(rig.store.logged().len(), all, "{payload}");
    }
    rig.latest("attic.outer_inner", 3.0).await;
    let attic = rig.gateway.device(&device("attic")).unwrap();
    assert_eq!(
        (attic.device.home.clone(), attic.device.kind.as_str()),
        (Home::MqttListener, "mqtt")
    );
    rig.gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_acknowledged_counted_and_shown() {
    let rig = Rig::start("read-refused").await;
    let nested = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let refused = [
        ("devices/attic/data", "nan", "malformed"),
        ("devices/attic/data", nested.as_str(), "malformed"),
        ("devices/a b/data", r#"{"t":1}"#, "bad_name"),
        ("devices/датчик/data", r#"{"t":1}"#, "bad_name"),
        ("devices/attic/info", "{}", "not_allowed"),
    ];
    for version in VERSIONS {
        let mut client = rig.client(version, "sensor").await;
        for (topic, payload, reason) in refused {
            let before = rig.refused(reason);
            let code = client.publish_and_wait(Message::new(topic, payload.to_owned())).await;
            let told = code.unwrap();
            assert_eq!(told >= 0x80, version == Version::V5, "{topic} {reason}");
            assert_eq!(rig.refused(reason), before + 1, "{topic} {reason}");
        }
        let retained = data("attic", r#"{"t":1}"#).retained();
        client.publish_and_wait(retained).await.unwrap();
    }
    assert_eq!(rig.refused("retained"), 2);
    assert!(rig.store.logged().is_empty());
    let newest = &rig.gateway.refused()[0];
    assert_eq!(
        (newest.door.as_str(), newest.topic.as_str()),
        ("listener:mqtt", "devices/attic/data")
    );
    let mut client = rig.client(Version::V3, "sensor").await;
    client.publish_and_wait(data("attic", r#"{"t":1,"bad key":2,"list":[1]}"#)).await.unwrap();
    assert_eq!((rig.refused("bad_value"), rig.store.logged().len()), (1, 1), "the rest is taken");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_payload_beyond_the_bound_is_refused_by_its_header_alone() {
    let rig = Rig::start("read-large").await;
    for version in VERSIONS {
        let mut client = rig.client(version, "sensor").await;
        // A PUBLISH of 200 MB is announced, and nothing of it sent.
        client.raw(&[0x32, 0x80, 0x84, 0xAF, 0x5F]).await.unwrap();
        let reason = client.expect_end().await.unwrap();
        let too_large = (version == Version::V5).then_some(0x95);
        assert_eq!(reason, too_large);
    }
    assert_eq!(rig.refused("oversized"), 2);
    let mut client = rig.client(Version::V5, "sensor").await;
    client.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_device_of_another_home_is_not_taken_in_here_nor_spoken_for() {
    let rig = Rig::start("read-home").await;
    rig.gateway.submit(reading("attic", 0, 1.0)).await.unwrap();
    let mut client = rig.client(Version::V3, "loop").await;
    let mut hears = rig.client(Version::V3, "hears").await;
    hears.subscribe("devices/attic/data", QoS::AtLeastOnce).await.unwrap();
    client.publish_and_wait(data("attic", r#"{"t":2}"#)).await.unwrap();
    for suffix in ["status", "commands/result"] {
        let spoof = Message::new(format!("devices/attic/{suffix}"), "offline");
        client.publish_and_wait(spoof).await.unwrap();
    }
    assert_eq!(rig.refused("not_home"), 3);
    assert_eq!(rig.store.logged().len(), 1);
    assert_eq!(hears.message_within(QUIET).await.unwrap(), None, "a loop feeds nobody");
    let state = rig.gateway.device(&device("attic")).unwrap().state;
    assert_eq!(state, DeviceState::Online);
    rig.gateway.stop().await;
}

#[tokio::test]
async fn status_and_will_say_whether_a_device_is_there() {
    let rig = Rig::start("read-status").await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let id = format!("pump{n}");
        let status =
            |word: &'static str| Message::new(format!("devices/{id}/status"), word).retained();
        let connect = Connect::new(version, id.clone()).will(status("offline"));
        let mut pump = connect.open(rig.address()).await.unwrap();
        pump.publish_and_wait(status("online")).await.unwrap();
        pump.publish_and_wait(data(&id, r#"{"t":1}"#)).await.unwrap();
        let is = async |state| {
            until("the device's state", WITHIN, async || {
                rig.gateway.device(&device(&id)).is_some_and(|view| view.state == state)
            })
            .await;
        };
        is(DeviceState::Online).await;
        pump.reset().unwrap();
        is(DeviceState::Offline).await;
        let mut late = rig.client(version, "late").await;
        late.subscribe(&format!("devices/{id}/status"), QoS::AtLeastOnce).await.unwrap();
        assert_eq!(late.expect_message().await.unwrap().text(), "offline");
        let mut again = rig.client(version, "again").await;
        again.publish_and_wait(data(&id, r#"{"t":2}"#)).await.unwrap();
        is(DeviceState::Online).await;
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn unknown_devices_are_let_in_or_not_as_is_set() {
    use iot_core::domain::{Principal, SettingKey};
    let rig = Rig::start("read-unknown").await;
    let refuse = vec![(SettingKey::UnknownDevices, serde_json::json!("refuse"))];
    rig.gateway.set(&Principal::local(), refuse).await.unwrap();
    let mut client = rig.client(Version::V3, "sensor").await;
    client.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
    assert_eq!((rig.refused("unknown_device"), rig.store.logged().len()), (1, 0));
    rig.gateway.stop().await;
}

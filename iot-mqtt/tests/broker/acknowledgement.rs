use std::time::Duration;

use iot_core::port::LogErrorKind;
use iot_testkit::memory::Fault;
use iot_testkit::mqtt::{Connect, Message, Packet, QoS, Version};
use iot_testkit::wait::until;

use super::kit::{QUIET, Rig, VERSIONS, WITHIN, data};

#[tokio::test]
async fn a_puback_and_a_pubrec_wait_for_the_disk_and_other_topics_do_not() {
    let rig = Rig::start("ack-disk").await;
    for version in VERSIONS {
        let mut client = rig.client(version, "sensor").await;
        client.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
        rig.store.fail(Fault::Before(LogErrorKind::Full));
        client.publish(data("attic", r#"{"t":2}"#)).await.unwrap();
        let exactly = data("attic", r#"{"t":3}"#).qos(QoS::ExactlyOnce);
        client.publish(exactly).await.unwrap();
        assert_eq!(client.recv_within(QUIET).await.unwrap(), None, "nothing is on disk yet");
        let mut other = rig.client(version, "other").await;
        let door = Message::new("home/door", "open");
        assert_eq!(other.publish_and_wait(door).await.unwrap(), 0, "others are not held up");
        rig.store.fail(Fault::None);
        assert!(matches!(client.recv().await.unwrap(), Packet::Puback { code: 0, .. }));
        assert!(matches!(client.recv().await.unwrap(), Packet::Pubrec { code: 0, .. }));
    }
    assert_eq!(rig.store.logged().len(), 6, "each once");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn two_thousand_publishes_are_under_way_on_one_connection_and_answered_in_order() {
    let rig = Rig::start("ack-many").await;
    for version in VERSIONS {
        let mut client = rig.client(version, "sensor").await;
        let mut sent = Vec::new();
        for n in 0..2_000 {
            let topic = if n % 7 == 0 { "home/x".to_owned() } else { "devices/d/data".to_owned() };
            let payload = format!(r#"{{"ts":{},"t":{n}}}"#, 1_700_000_000_000_i64 + n);
            sent.extend(client.queue(Message::new(topic, payload)).unwrap());
        }
        client.flush().await.unwrap();
        for id in sent {
            let ack = client.recv().await.unwrap();
            assert!(matches!(ack, Packet::Puback { id: got, code: 0 } if got == id), "{ack:?}");
        }
    }
    let commits = rig.store.commits();
    assert!(commits < 200, "what waits together is committed together, not in {commits} commits");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn what_is_repeated_at_qos_2_is_stored_once() {
    let rig = Rig::start("ack-qos2").await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let id = format!("sensor-{n}");
        let connect = || Connect::new(version, id.clone()).session(3_600).manual_acks();
        let mut client = connect().open(rig.address()).await.unwrap();
        let message = data("attic", r#"{"t":1}"#).qos(QoS::ExactlyOnce);
        let packet_id = client.publish(message.clone()).await.unwrap().unwrap();
        assert!(matches!(client.recv().await.unwrap(), Packet::Pubrec { .. }));
        client.reset().unwrap();
        let mut client = connect().clean(false).open(rig.address()).await.unwrap();
        assert!(client.connack().session_present);
        let again = Message { dup: true, packet_id: Some(packet_id), ..message };
        client.publish(again).await.unwrap();
        assert!(matches!(client.recv().await.unwrap(), Packet::Pubrec { .. }));
        client.pubrel(packet_id).await.unwrap();
        assert!(matches!(client.recv().await.unwrap(), Packet::Pubcomp { .. }));
        assert_eq!(rig.store.logged().len(), n + 1);
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_lone_publisher_is_answered_a_hundred_times_a_second_for_a_while_and_fifteen_for_ever() {
    let rig = Rig::start("ack-lone").await;
    let mut client = rig.client(Version::V3, "lone").await;
    for n in 0..600 {
        let payload = format!(r#"{{"ts":{},"t":{n}}}"#, 1_700_000_000_000_i64 + n);
        client.publish_and_wait(data("attic", &payload)).await.unwrap();
    }
    // The policy itself is tested in the core; here, that a lone sender is never left waiting for
    // company: each answer takes a commit's interval at most.
    let slow = client.publish_and_wait(data("attic", r#"{"t":1}"#));
    tokio::time::timeout(Duration::from_secs(5), slow).await.unwrap().unwrap();
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_stops_acknowledges_what_it_has_and_says_goodbye() {
    let rig = Rig::start("ack-stop").await;
    let mut client = rig.client(Version::V5, "sensor").await;
    for n in 0..100 {
        client.queue(data("attic", &format!(r#"{{"t":{n}}}"#))).unwrap();
    }
    client.flush().await.unwrap();
    until("the readings are taken in", WITHIN, async || {
        rig.gateway.diagnostics().ledger.accepted == 100
    })
    .await;
    assert!(rig.gateway.stop().await, "everything is on disk");
    let mut answered = 0;
    let reason = loop {
        match client.recv().await.unwrap() {
            Packet::Puback { code: 0, .. } => answered += 1,
            Packet::Disconnect { code } => break code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((answered, reason), (100, 0x8B), "the server is shutting down");
}

#[tokio::test]
async fn while_the_store_cannot_be_written_a_client_may_leave_and_come_again() {
    let rig = Rig::start("ack-full").await;
    let mut first = rig.client(Version::V5, "same").await;
    rig.store.fail(Fault::Before(LogErrorKind::Full));
    first.publish(data("attic", r#"{"t":1}"#)).await.unwrap();
    until("the store is known to fail", WITHIN, async || {
        rig.gateway.store_state() != iot_core::gateway::StoreState::Ok
    })
    .await;
    // This one is not taken in, and holds its connection up.
    first.publish(data("attic", r#"{"t":2}"#)).await.unwrap();
    let mut second = rig.client(Version::V5, "same").await;
    assert_eq!(first.expect_end().await.unwrap(), Some(0x8E));
    rig.store.fail(Fault::None);
    second.publish_and_wait(data("attic", r#"{"t":3}"#)).await.unwrap();
    rig.latest("attic.t", 3.0).await;
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_is_held_up_is_not_missed_and_costs_no_processor() {
    let rig = Rig::start("ack-held").await;
    let connect = Connect::v5("held").keep_alive(1);
    let mut client = connect.open(rig.address()).await.unwrap();
    rig.store.fail(Fault::Before(LogErrorKind::Full));
    client.publish(data("attic", r#"{"t":1}"#)).await.unwrap();
    until("the store is known to fail", WITHIN, async || {
        rig.gateway.store_state() != iot_core::gateway::StoreState::Ok
    })
    .await;
    client.publish(data("attic", r#"{"t":2}"#)).await.unwrap();
    let busy = processor_ticks();
    // Twice the time after which a client that could be heard would be gone.
    assert_eq!(client.recv_within(Duration::from_secs(3)).await.unwrap(), None);
    let used = processor_ticks() - busy;
    assert!(used < 100, "{used} ticks of 10 ms in 3 s");
    rig.store.fail(Fault::None);
    for _ in 0..2 {
        assert!(matches!(client.recv().await.unwrap(), Packet::Puback { code: 0, .. }));
    }
    rig.gateway.stop().await;
}

/// Processor time of this thread, on which the whole test runs, in ticks of 10 ms
/// (proc_pid_stat(5), utime and stime).
fn processor_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let field = |n: usize| after_name.split_whitespace().nth(n).unwrap().parse::<u64>().unwrap();
    field(11) + field(12)
}

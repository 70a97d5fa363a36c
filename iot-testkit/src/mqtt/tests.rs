//! Client, flood and recorder against Debian's mosquitto.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use super::*;
use crate::servers::{Mosquitto, Side};
use crate::wait::until;

const SOON: Duration = Duration::from_secs(20);
/// Long enough to see that nothing comes.
const A_WHILE: Duration = Duration::from_millis(200);

fn number(n: u64, publication: &mut Publication) {
    publication.topic.push_str("numbers");
    publication.payload.extend_from_slice(n.to_string().as_bytes());
}

fn sequence(seq: u64) -> Message {
    let user_properties = vec![("seq".into(), seq.to_string().into())];
    Message::new(format!("lines/{}", seq % 2), "same")
        .properties(Properties { user_properties, ..Properties::default() })
}

#[tokio::test]
async fn messages_of_each_promise_go_round() {
    let broker = Mosquitto::builder().start().unwrap();
    for version in Version::BOTH {
        let mut one = Connect::new(version, "one").open(broker.address()).await.unwrap();
        assert_eq!(one.subscribe("round/+", QoS::ExactlyOnce).await.unwrap(), 2);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let sent = Message::new("round/trip", format!("{qos:?}")).qos(qos);
            assert_eq!(one.publish_and_wait(sent.clone()).await.unwrap(), 0);
            let got = one.expect_message().await.unwrap();
            assert_eq!((got.topic, got.payload, got.qos), (sent.topic, sent.payload, qos));
        }
        one.unsubscribe("round/+").await.unwrap();
        one.publish(Message::new("round/trip", "unheard")).await.unwrap();
        assert_eq!(one.message_within(A_WHILE).await.unwrap(), None);
        one.ping().await.unwrap();
        one.disconnect().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_without_a_word_leaves_its_will() {
    let broker = Mosquitto::builder().start().unwrap();
    let mut heir = Connect::v5("heir").open(broker.address()).await.unwrap();
    heir.subscribe("wills", QoS::AtLeastOnce).await.unwrap();
    let poor = Connect::v3("poor").will(Message::new("wills", "nothing"));
    poor.open(broker.address()).await.unwrap().disconnect().await.unwrap();
    let rich = Connect::v5("rich").will(Message::new("wills", "a house"));
    rich.open(broker.address()).await.unwrap().reset().unwrap();
    assert_eq!(heir.expect_message().await.unwrap().text(), "a house");
}

#[tokio::test]
async fn a_session_is_kept_and_taken_over() {
    let broker = Mosquitto::builder().start().unwrap();
    let connect = || Connect::v5("twin").session(300).manual_acks();
    let mut first = connect().open(broker.address()).await.unwrap();
    assert!(!first.connack().session_present);
    first.subscribe("post", QoS::AtLeastOnce).await.unwrap();
    let mut second = connect().open(broker.address()).await.unwrap();
    assert!(second.connack().session_present);
    // This mosquitto closes without the 0x8e that MQTT 5 has for it.
    first.expect_end().await.unwrap();
    second.publish(Message::new("post", "unanswered")).await.unwrap();
    let got = second.expect_message().await.unwrap();
    assert!(!got.dup);
    drop(second);
    let mut third = connect().open(broker.address()).await.unwrap();
    let again = third.expect_message().await.unwrap();
    assert!(again.dup && again.payload == got.payload, "{again:?}");
    third.puback(again.packet_id.unwrap()).await.unwrap();
}

#[tokio::test]
async fn users_and_access_are_as_told() {
    let broker = Mosquitto::builder()
        .user("ann", "secret")
        .acl("user ann\ntopic readwrite ann/#\n")
        .start()
        .unwrap();
    let nobody = Connect::v3("nobody").open(broker.address()).await.unwrap_err();
    assert!(matches!(nobody, ClientError::Refused(5)), "{nobody}");
    let wrong = Connect::v5("ann").user("ann", "guess").open(broker.address()).await.unwrap_err();
    assert!(matches!(wrong, ClientError::Refused(0x87)), "{wrong}");
    let ann = Connect::v5("ann").user("ann", "secret");
    let mut ann = ann.open(broker.address()).await.unwrap();
    assert_eq!(ann.publish_and_wait(Message::new("bob/x", "")).await.unwrap(), 0x87);
    assert_eq!(ann.publish_and_wait(Message::new("ann/x", "")).await.unwrap(), 0x10);
}

#[tokio::test]
async fn garbage_ends_a_connection() {
    let broker = Mosquitto::builder().start().unwrap();
    let mut vandal = Connect::v3("vandal").open(broker.address()).await.unwrap();
    vandal.raw(&[0xff; 64]).await.unwrap();
    assert_eq!(vandal.expect_end().await.unwrap(), None);
}

#[tokio::test]
async fn a_persistent_broker_remembers_what_it_saved() {
    let mut broker = Mosquitto::builder().persistent().start().unwrap();
    let retained = |text: &'static str| Message::new("kept", text).retained();
    let mut one = Connect::v3("one").open(broker.address()).await.unwrap();
    one.publish_and_wait(retained("saved")).await.unwrap();
    broker.save().unwrap();
    one.publish_and_wait(retained("forgotten")).await.unwrap();
    broker.kill9();
    broker.restart().unwrap();
    let kept = async |broker: &Mosquitto| {
        let mut one = Connect::v3("one").open(broker.address()).await.unwrap();
        one.subscribe("kept", QoS::AtLeastOnce).await.unwrap();
        one.message_within(A_WHILE).await.unwrap().map(|message| message.text())
    };
    assert_eq!(kept(&broker).await.as_deref(), Some("saved"));
    broker.stop().unwrap();
    broker.wipe().unwrap();
    broker.restart().unwrap();
    assert_eq!(kept(&broker).await, None);
}

#[tokio::test]
async fn a_frozen_broker_answers_when_it_thaws() {
    let mut broker = Mosquitto::builder().start().unwrap();
    let mut one = Connect::v5("one").open(broker.address()).await.unwrap();
    broker.freeze().unwrap();
    one.publish(Message::new("still", "there?")).await.unwrap();
    assert_eq!(one.recv_within(A_WHILE).await.unwrap(), None);
    broker.thaw().unwrap();
    assert_eq!(one.recv().await.unwrap(), Packet::Puback { id: 1, code: 0x10 });
}

#[tokio::test]
async fn a_refused_configuration_is_an_error_with_its_words() {
    let error = Mosquitto::builder().line("no_such_key 1").start().unwrap_err().to_string();
    assert!(error.contains("mosquitto ended") && error.contains("no_such_key"), "{error}");
}

#[tokio::test]
async fn a_flood_is_acknowledged_to_the_last_message() {
    let broker = Mosquitto::builder().line("max_inflight_messages 0").start().unwrap();
    for version in Version::BOTH {
        let connect = |name: &str| Connect::new(version, name).open(broker.address());
        let mut one = connect("one").await.unwrap();
        let flood = one.flood(Load::messages(70_000, 2_000), number).await.unwrap();
        assert_eq!((flood.sent, flood.acknowledged, flood.refused), (70_000, 70_000, 0));
        assert!(flood.rate() > 0.0);
        one.ping().await.unwrap();

        let many = [connect("a").await.unwrap(), connect("b").await.unwrap()].into();
        let flood = flood_many(many, Load::messages(500, 4), |_, n, it| number(n, it)).await;
        assert_eq!(flood.unwrap().acknowledged, 1_000);
    }
    let mut timed = Connect::v5("timed").open(broker.address()).await.unwrap();
    let flood = timed.flood(Load::lasting(A_WHILE, 10), number).await.unwrap();
    assert!(flood.acknowledged == flood.sent && flood.took >= A_WHILE, "{flood:?}");
}

#[tokio::test]
async fn the_recorder_knows_what_was_acknowledged_and_what_was_sent_again() {
    let broker = Mosquitto::builder().start().unwrap();
    let recorder = Recorder::start(broker.address()).unwrap();
    let mut one = Connect::v5("one").open(recorder.address()).await.unwrap();
    for seq in 0..4 {
        one.publish_and_wait(sequence(seq)).await.unwrap();
    }
    // These two reach nobody: the answers to them are lost.
    recorder.proxy().hold();
    one.publish(sequence(4)).await.unwrap();
    one.publish(sequence(5)).await.unwrap();
    recorder.proxy().reset();
    assert_eq!(one.expect_end().await.unwrap(), None);
    recorder.proxy().release();

    let mut one = Connect::v5("one").open(recorder.address()).await.unwrap();
    for seq in [3, 4, 7, 5] {
        one.publish_and_wait(sequence(seq)).await.unwrap();
    }
    let got = recorder.recording();
    assert_eq!(got.faults, [""; 0]);
    assert_eq!(got.client_ids.values().collect::<BTreeSet<_>>(), [&"one".to_owned()].into());
    assert_eq!(got.acknowledged_seqs(), [0, 1, 2, 3, 4, 5, 7].into());
    assert_eq!(got.sent_again(), 1, "those held back never passed");
    let late: Vec<_> = got.out_of_order().iter().map(|publish| publish.seq).collect();
    assert_eq!(late, [Some(5)]);
    assert!(got.unacknowledged().is_empty());
    assert_eq!(got.most_in_flight(), 1);
    assert_eq!(&*got.publishes[1].topic, "lines/1");

    one.publish(sequence(8).qos(QoS::AtMostOnce)).await.unwrap();
    until("it has passed", SOON, async || recorder.look(|it| it.publishes.len() == 9)).await;
    recorder.clear();
    assert!(recorder.recording().publishes.is_empty());
    assert_eq!(recorder.proxy().connections(), 2);
}

#[tokio::test]
async fn the_recorder_reads_both_versions_and_aliases() {
    let broker = Mosquitto::builder().start().unwrap();
    let recorder = Recorder::start(broker.address()).unwrap();
    let mut old = Connect::v3("old").open(recorder.address()).await.unwrap();
    old.publish_and_wait(Message::new("a", "1").qos(QoS::ExactlyOnce)).await.unwrap();
    old.publish_and_wait(Message::new("a", "1").qos(QoS::ExactlyOnce)).await.unwrap();
    let mut new = Connect::v5("new").open(recorder.address()).await.unwrap();
    let alias = Properties { topic_alias: NonZeroU16::new(7), ..Properties::default() };
    for topic in ["b", ""] {
        let message = Message::new(topic, "2").properties(alias.clone());
        new.publish_and_wait(message).await.unwrap();
    }
    // A flood comes in pieces that begin and end in the middle of packets.
    new.flood(Load::messages(5_000, 1_000), number).await.unwrap();
    let got = recorder.recording();
    assert_eq!(got.faults, [""; 0]);
    assert_eq!((got.publishes.len(), got.sent_again()), (5_004, 2));
    assert_eq!(got.acknowledged().count(), 5_004);
    assert_eq!(&*got.publishes[3].topic, "b");
    assert!(got.most_in_flight() <= 1_000);
    assert!(recorder.proxy().bytes_to(Side::Server) > 5_000);
}

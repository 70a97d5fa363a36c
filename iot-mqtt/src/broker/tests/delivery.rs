//! Publishes, subscriptions, queues.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::BytesMut;
use rmqtt_codec::types::Publish;
use rmqtt_codec::v5::{self, DisconnectReasonCode, PublishProperties, SubscribeAckReason};

use super::client::*;
use crate::broker::codec::Version;
use crate::broker::limits::Limits;
use crate::broker::session::ConnectionId;

fn bench() -> Bench {
    Bench::new(Limits::default())
}

/// A broker with one client of this version and one of MQTT 5 that publishes.
fn pair(version: Version, limits: Limits) -> (Bench, ConnectionId, ConnectionId) {
    let mut bench = Bench::new(limits);
    let other = bench.connect(Version::V5, passing("other"));
    let line = bench.connect(version, staying("a"));
    (bench, line, other)
}

fn with(publish: Publish, properties: PublishProperties) -> Publish {
    Publish { properties: Some(properties), ..publish }
}

fn told(last: Option<Vec<v5::Packet>>) -> DisconnectReasonCode {
    match last.unwrap().pop().unwrap() {
        v5::Packet::Disconnect(disconnect) => disconnect.reason_code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_comes_with_the_lower_of_both_qos() {
    for version in BOTH {
        for granted in 0..3 {
            for sent in 0..3 {
                let (mut bench, line, other) = pair(version, Limits::default());
                bench.subscribe(line, "t", options(granted));
                bench.send(other, publish("t", "x", sent, u16::from(sent)));
                let got = bench.publishes(line).remove(0);
                assert_eq!(got.qos.value(), granted.min(sent));
                assert!(!got.dup && !got.retain);
            }
        }
    }
}

#[test]
fn qos_2_goes_through_its_four_steps_and_leaves_nothing() {
    for version in BOTH {
        let (mut bench, line, other) = pair(version, Limits::default());
        bench.subscribe(line, "t", options(2));
        bench.send(other, publish("t", "x", 2, 1));
        let packet = bench.publishes(line)[0].packet_id.unwrap();
        bench.send(line, pubrec(packet));
        assert_eq!(bench.receive(line), [pubrel(packet)]);
        bench.lose(line);
        let line = bench.connect(version, staying("a"));
        let packets = bench.receive(line);
        assert_eq!(packets, [pubrel(packet)], "released again, not sent again");
        bench.send(line, pubcomp(packet));
        assert_eq!(bench.receive(line), []);
        assert_eq!(bench.drive.state.counts().queued, 0);
    }
}

#[test]
fn publishes_of_one_connection_are_answered_in_order_and_only_when_told() {
    for version in BOTH {
        let mut bench = bench();
        let line = bench.connect(version, passing("a"));
        for n in 1..=3 {
            bench.send(line, publish("t", "x", if n == 2 { 2 } else { 1 }, n));
        }
        assert_eq!(bench.receive(line), []);
        assert_eq!(bench.drive.state.unacknowledged(line), 3);
        bench.drive.acknowledge(line, 3);
        assert_eq!(bench.receive(line), [puback(id(1)), pubrec(id(2)), puback(id(3))]);
        bench.send(line, pubrel(id(2)));
        assert_eq!(bench.drive.state.unacknowledged(line), 0);
    }
}

#[test]
fn what_was_not_sent_here_is_answered_as_the_protocol_says() {
    let mut bench = bench();
    let line = bench.connect(Version::V5, passing("a"));
    bench.send(line, puback(id(9)));
    bench.send(line, pubcomp(id(9)));
    bench.send(line, pubrec(id(9)));
    bench.send(line, pubrel(id(9)));
    let codes: Vec<u8> = bench
        .receive(line)
        .into_iter()
        .map(|packet| match packet {
            v5::Packet::PublishRelease(a) | v5::Packet::PublishComplete(a) => a.reason_code.into(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [0x92, 0x92]);
}

#[test]
fn acknowledgements_may_come_in_any_order() {
    for version in BOTH {
        let (mut bench, line, other) = pair(version, Limits::default());
        bench.subscribe(line, "t", options(1));
        for n in 1..=4 {
            bench.send(other, publish("t", &n.to_string(), 1, n));
        }
        let got = bench.publishes(line);
        bench.send(line, puback(got[2].packet_id.unwrap()));
        bench.send(line, puback(got[0].packet_id.unwrap()));
        bench.lose(line);
        let line = bench.connect(version, staying("a"));
        assert_eq!(bench.texts(line), ["2", "4"]);
    }
}

#[test]
fn no_more_is_on_its_way_than_the_client_allows() {
    let mut bench = bench();
    let other = bench.connect(Version::V5, passing("other"));
    let connect = v5::Connect { receive_max: NonZeroU16::new(2), ..staying("a") };
    let line = bench.connect(Version::V5, connect);
    bench.subscribe(line, "t", options(2));
    for n in 1..=5 {
        bench.send(other, publish("t", &n.to_string(), 2, n));
    }
    let got = bench.publishes(line);
    assert_eq!(got.len(), 2);
    bench.send(line, pubrec(got[0].packet_id.unwrap()));
    assert!(bench.publishes(line).is_empty(), "a released one still counts");
    bench.send(line, pubcomp(got[0].packet_id.unwrap()));
    assert_eq!(bench.publishes(line).len(), 1);
    bench.lose(line);
    let connect = v5::Connect { receive_max: NonZeroU16::new(1), ..staying("a") };
    let line = bench.connect(Version::V5, connect);
    assert_eq!(bench.publishes(line).len(), 1, "a smaller window holds for repeating too");
}

#[test]
fn more_than_we_allow_ends_the_connection() {
    let mut bench = Bench::new(Limits { receive_maximum: 2, ..Limits::default() });
    let (line, ack) = bench.try_connect(Version::V5, passing("a"));
    assert_eq!(ack.receive_max.get(), 2);
    bench.send(line, publish("t", "x", 1, 1));
    bench.send(line, publish("t", "x", 2, 2));
    bench.drive.acknowledge(line, 2);
    bench.send(line, publish("t", "x", 1, 1));
    let last = bench.send_last(line, publish("t", "x", 1, 3));
    assert_eq!(told(last), DisconnectReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn what_is_never_released_takes_no_more_memory_than_is_allowed() {
    let mut bench = Bench::new(Limits { unreleased: 3, ..Limits::default() });
    let first = bench.connect(Version::V5, staying("a"));
    for n in 1..=4 {
        bench.send(first, publish("t", "x", 2, n));
    }
    bench.drive.acknowledge(first, 4);
    let codes: Vec<u8> = bench
        .receive(first)
        .into_iter()
        .map(|packet| match packet {
            v5::Packet::PublishReceived(ack) => ack.reason_code.into(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [0, 0, 0, 0x97]);
    let old = bench.connect(Version::V3, passing("b"));
    assert_eq!(bench.send_last(old, publish("t", "x", 2, 1)), Some(vec![]));
    bench.send(first, pubrel(id(1)));
    bench.send(first, publish("t", "x", 2, 4));
    assert_eq!(bench.drive.state.counts().unreleased, 3);
    bench.lose(first);
    bench.connect(Version::V5, passing("a"));
    assert_eq!(bench.drive.state.counts().unreleased, 0);
}

#[test]
fn a_name_that_is_none_ends_the_connection_and_one_that_we_do_not_take_is_refused() {
    let mut bench = bench();
    for name in ["a/#", "+", "a+b"] {
        let line = bench.connect(Version::V5, passing("a"));
        let last = bench.send_last(line, publish(name, "x", 1, 1));
        assert_eq!(told(last), DisconnectReasonCode::TopicNameInvalid);
    }
    let line = bench.connect(Version::V5, passing("a"));
    let deep = "/".repeat(100);
    for (name, reason) in [("$SYS/x", 0x87_u8), (&deep, 0x90)] {
        bench.send(line, publish(name, "x", 1, 1));
        bench.drive.acknowledge(line, 1);
        match bench.receive(line).remove(0) {
            v5::Packet::PublishAck(ack) => assert_eq!(u8::from(ack.reason_code), reason),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_publish_of_qos_2_is_done_with_in_both_versions() {
    for version in BOTH {
        let mut bench = bench();
        let line = bench.connect(version, passing("a"));
        bench.send(line, publish("$x", "x", 2, 1));
        bench.drive.acknowledge(line, 1);
        assert_eq!(bench.receive(line).len(), 1);
        bench.send(line, pubrel(id(1)));
        assert_eq!(bench.receive(line).len(), 1);
        assert_eq!(bench.drive.state.unacknowledged(line), 0);
    }
}

#[test]
fn an_alias_stands_for_a_topic_on_its_connection_alone() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.subscribe(line, "#", options(0));
    let alias = |n| PublishProperties { topic_alias: NonZeroU16::new(n), ..Default::default() };
    bench.send(other, with(publish("t", "1", 0, 0), alias(3)));
    bench.send(other, with(publish("", "2", 0, 0), alias(3)));
    bench.send(other, with(publish("u", "3", 0, 0), alias(3)));
    bench.send(other, with(publish("", "4", 0, 0), alias(3)));
    let got = bench.publishes(line);
    let topics: Vec<&str> = got.iter().map(|p| &*p.topic).collect();
    assert_eq!(topics, ["t", "t", "u", "u"]);
    assert!(got.iter().all(|p| p.properties.as_ref().unwrap().topic_alias.is_none()));
    let last = bench.send_last(line, with(publish("", "x", 0, 0), alias(3)));
    assert_eq!(told(last), DisconnectReasonCode::ProtocolError);
    let last = bench.send_last(other, with(publish("t", "x", 0, 0), alias(17)));
    assert_eq!(told(last), DisconnectReasonCode::TopicAliasInvalid);
}

#[test]
fn what_only_servers_send_in_a_publish_ends_the_connection() {
    let mut bench = bench();
    let one = NonZeroU32::new(1).into_iter().collect();
    let numbered = PublishProperties { subscription_ids: one, ..Default::default() };
    let reply = PublishProperties { response_topic: Some("a/#".into()), ..Default::default() };
    for properties in [numbered, reply] {
        let line = bench.connect(Version::V5, passing("a"));
        let last = bench.send_last(line, with(publish("t", "x", 0, 0), properties));
        assert_eq!(told(last), DisconnectReasonCode::ProtocolError);
    }
    let line = bench.connect(Version::V5, passing("a"));
    let last = bench.send_last(line, publish("", "x", 0, 0));
    assert_eq!(told(last), DisconnectReasonCode::ProtocolError);
}

#[test]
fn overlapping_subscriptions_bring_a_message_once() {
    for version in BOTH {
        let (mut bench, line, other) = pair(version, Limits::default());
        bench.subscribe_as(line, "t/+", options(1), Some(7));
        bench.subscribe_as(line, "#", options(2), Some(8));
        bench.subscribe(line, "t/x", options(0));
        bench.send(other, publish("t/x", "1", 2, 1));
        let got = bench.publishes(line);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].qos.value(), 2);
        if version == Version::V5 {
            let mut ids = got[0].properties.as_ref().unwrap().subscription_ids.clone();
            ids.sort();
            assert_eq!(ids.iter().map(|n| n.get()).collect::<Vec<_>>(), [7, 8]);
        }
    }
}

#[test]
fn nobody_gets_its_own_who_asked_not_to() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    let quiet = v5::SubscriptionOptions { no_local: true, ..options(0) };
    bench.subscribe(line, "t", quiet);
    bench.send(line, publish("t", "mine", 0, 0));
    bench.send(other, publish("t", "yours", 0, 0));
    assert_eq!(bench.texts(line), ["yours"]);
    let shared = v5::Subscribe {
        packet_id: id(1),
        id: None,
        user_properties: Vec::new(),
        topic_filters: vec![("$share/g/t".into(), quiet)],
    };
    assert_eq!(told(bench.send_last(line, shared)), DisconnectReasonCode::ProtocolError);
}

#[test]
fn the_retain_mark_comes_through_where_it_was_asked_for() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.subscribe(line, "t", options(0));
    bench.send(other, retained("t", "1"));
    assert!(!bench.publishes(line)[0].retain);
    let as_published = v5::SubscriptionOptions {
        retain_as_published: true,
        retain_handling: v5::RetainHandling::NoAtSubscribe,
        ..options(0)
    };
    bench.subscribe(line, "t", as_published);
    bench.send(other, retained("t", "2"));
    assert!(bench.publishes(line)[0].retain);
}

#[test]
fn what_is_not_allowed_or_no_filter_is_refused_and_the_rest_granted() {
    for (version, denied, invalid) in [
        (Version::V5, SubscribeAckReason::NotAuthorized, SubscribeAckReason::TopicFilterInvalid),
        (Version::V3, SubscribeAckReason::UnspecifiedError, SubscribeAckReason::UnspecifiedError),
    ] {
        let mut bench = bench();
        let line = bench.connect(version, passing("a"));
        assert_eq!(bench.subscribe(line, "secret/x", options(1)), denied);
        assert_eq!(bench.subscribe(line, "a/#/b", options(1)), invalid);
        assert_eq!(bench.subscribe(line, "$share/g", options(1)), invalid);
        assert_eq!(bench.subscribe(line, "a/b", options(1)), SubscribeAckReason::GrantedQos1);
        assert_eq!(bench.drive.state.counts().subscriptions, 1);
        let unsubscribe = v5::Unsubscribe {
            packet_id: id(4),
            user_properties: Vec::new(),
            topic_filters: vec!["a/b".into(), "none".into()],
        };
        bench.send(line, unsubscribe);
        let v5::Packet::UnsubscribeAck(ack) = bench.receive(line).remove(0) else { panic!() };
        if version == Version::V5 {
            let codes: Vec<u8> = ack.status.iter().map(|s| u8::from(*s)).collect();
            assert_eq!(codes, [0, 17]);
        }
        assert!(!bench.drive.state.anyone_subscribed());
    }
}

#[test]
fn more_subscriptions_than_are_allowed_are_refused() {
    let mut bench = Bench::new(Limits { subscriptions_per_client: 2, ..Limits::default() });
    let line = bench.connect(Version::V5, passing("a"));
    bench.subscribe(line, "a", options(0));
    bench.subscribe(line, "b", options(0));
    let refused = bench.subscribe(line, "c", options(0));
    assert_eq!(refused, SubscribeAckReason::QuotaExceeded);
    assert_eq!(bench.subscribe(line, "b", options(1)), SubscribeAckReason::GrantedQos1);
}

#[test]
fn a_group_takes_turns_and_those_online_come_first() {
    let mut bench = bench();
    let other = bench.connect(Version::V5, passing("other"));
    let lines: Vec<_> =
        ["a", "b", "c"].iter().map(|c| bench.connect(Version::V5, staying(c))).collect();
    for line in &lines {
        bench.subscribe(*line, "$share/g/t", options(1));
    }
    for n in 0..6 {
        bench.send(other, publish("t", &n.to_string(), 1, n + 1));
        bench.drive.acknowledge(other, 1);
    }
    for line in &lines {
        assert_eq!(bench.texts(*line).len(), 2);
    }
    bench.leave(lines[0]);
    bench.leave(lines[1]);
    for n in 0..3 {
        bench.send(other, publish("t", &n.to_string(), 1, n + 1));
    }
    assert_eq!(bench.texts(lines[2]), ["0", "1", "2"]);
    bench.leave(lines[2]);
    bench.send(other, publish("t", "unassured", 0, 0));
    bench.send(other, publish("t", "kept", 1, 9));
    assert_eq!(bench.drive.state.counts().queued, 1);
}

#[test]
fn who_is_online_for_a_topic_is_known() {
    let mut bench = bench();
    let line = bench.connect(Version::V5, staying("a"));
    assert!(!bench.drive.state.subscribers_online("devices/x/commands"));
    bench.subscribe(line, "devices/+/commands", options(1));
    assert!(bench.drive.state.subscribers_online("devices/x/commands"));
    assert!(!bench.drive.state.subscribers_online("devices/x/data"));
    bench.leave(line);
    assert!(!bench.drive.state.subscribers_online("devices/x/commands"));
    assert!(bench.drive.state.anyone_subscribed());
}

#[test]
fn a_client_that_does_not_read_costs_no_more_than_its_queue() {
    for version in BOTH {
        let limits = Limits { queue: 10, ..Limits::default() };
        let (mut bench, line, other) = pair(version, limits);
        bench.subscribe(line, "#", options(1));
        for n in 1..=8 {
            bench.send(other, publish("q0", &n.to_string(), 0, 0));
        }
        for n in 1..=8 {
            bench.send(other, publish("q1", &n.to_string(), 1, n));
        }
        // Six of QoS 0 made room for six of QoS 1; the rest of the room was free.
        assert_eq!(bench.drive.state.dropped().queue_full, 6);
        for n in 9..=14 {
            bench.send(other, publish("q1", &n.to_string(), 1, n));
        }
        assert_eq!(bench.drive.state.dropped().queue_full, 12);
        assert_eq!(bench.drive.state.counts().queued, 10);
        let expected: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
        assert_eq!(bench.texts(line), expected);
    }
}

#[test]
fn all_queues_together_are_bounded_too() {
    let limits = Limits { queued_bytes: 10_000, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let other = bench.connect(Version::V5, passing("other"));
    for client in ["a", "b", "c"] {
        let line = bench.connect(Version::V5, staying(client));
        bench.subscribe(line, "t", options(1));
    }
    for n in 1..=10 {
        bench.send(other, publish("t", &"x".repeat(800), 1, n));
        assert!(bench.drive.state.counts().queued_bytes <= 10_000);
    }
    assert!(bench.drive.state.dropped().memory_full > 0);
    assert_eq!(bench.drive.state.dropped().queue_full, 0);
}

#[test]
fn a_message_that_expired_is_not_sent() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.subscribe(line, "t", options(1));
    bench.leave(line);
    let brief = PublishProperties {
        message_expiry_interval: NonZeroU32::new(10),
        ..PublishProperties::default()
    };
    bench.send(other, with(publish("t", "brief", 1, 1), brief));
    bench.send(other, publish("t", "lasting", 1, 2));
    bench.drive.pass(Duration::from_secs(10));
    let line = bench.connect(Version::V5, staying("a"));
    assert_eq!(bench.texts(line), ["lasting"]);
    assert_eq!(bench.drive.state.dropped().expired, 1);
}

#[test]
fn a_message_larger_than_its_receiver_takes_is_dropped_and_the_next_goes_on() {
    let mut bench = bench();
    let other = bench.connect(Version::V5, passing("other"));
    let connect = v5::Connect { max_packet_size: NonZeroU32::new(100), ..staying("a") };
    let line = bench.connect(Version::V5, connect);
    bench.subscribe(line, "t", options(1));
    bench.send(other, publish("t", &"x".repeat(200), 1, 1));
    bench.send(other, publish("t", &"x".repeat(200), 0, 0));
    bench.send(other, publish("t", "small", 1, 2));
    assert_eq!(bench.texts(line), ["small"]);
    assert_eq!(bench.drive.state.dropped().too_large, 2);
    // One in flight to a larger one of the client is done with as well.
    let line = bench.connect(Version::V5, staying("a"));
    bench.send(other, publish("t", &"x".repeat(200), 1, 3));
    assert_eq!(bench.publishes(line).len(), 1);
    let connect = v5::Connect { max_packet_size: NonZeroU32::new(100), ..staying("a") };
    let line = bench.connect(Version::V5, connect);
    assert!(bench.publishes(line).is_empty());
    assert_eq!(bench.drive.state.counts().queued, 0);
}

#[test]
fn retained_messages_are_read_out_without_a_queue() {
    for version in BOTH {
        let limits = Limits { queue: 10, ..Limits::default() };
        let (mut bench, line, other) = pair(version, limits);
        for n in 0..3_000 {
            bench.send(other, retained(&format!("devices/{n}/status"), "online"));
            bench.send(other, retained(&format!("devices/{n}/info"), "{}"));
        }
        let brief = PublishProperties {
            message_expiry_interval: NonZeroU32::new(10),
            ..PublishProperties::default()
        };
        bench.send(other, with(retained("devices/x/status", "brief"), brief));
        bench.send(other, retained("devices/7/status", ""));
        bench.drive.pass(Duration::from_secs(10));
        bench.subscribe(line, "devices/+/status", options(1));
        let got = bench.publishes(line);
        assert_eq!(got.len(), 2_999);
        assert!(got.iter().all(|p| p.retain && p.qos.value() == 0));
        assert_eq!(bench.drive.state.dropped().queue_full, 0);
        assert_eq!(bench.drive.state.counts().retained, 5_999);
        bench.subscribe(line, "devices/8/status", options(1));
        assert_eq!(bench.publishes(line).len(), 1);
        bench.subscribe(line, "devices/#", options(1));
        assert_eq!(bench.publishes(line).len(), 5_999);
    }
}

#[test]
fn a_new_message_does_not_come_twice_while_retained_ones_are_read_out() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.send(other, retained("a", "1"));
    bench.send(other, retained("b", "old"));
    bench.subscribe(line, "#", options(0));
    bench.send(other, retained("b", "new"));
    bench.send(other, retained("c", "3"));
    assert_eq!(bench.texts(line), ["1", "new", "3"]);
}

#[test]
fn retained_messages_come_as_the_subscription_asks() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.send(other, retained("t", "1"));
    let handling = |retain_handling| v5::SubscriptionOptions { retain_handling, ..options(0) };
    bench.subscribe(line, "t", handling(v5::RetainHandling::NoAtSubscribe));
    assert!(bench.texts(line).is_empty());
    bench.subscribe(line, "t", handling(v5::RetainHandling::AtSubscribeNew));
    assert!(bench.texts(line).is_empty());
    bench.subscribe(line, "t", handling(v5::RetainHandling::AtSubscribe));
    assert_eq!(bench.texts(line), ["1"]);
    bench.subscribe(line, "+", handling(v5::RetainHandling::AtSubscribeNew));
    assert_eq!(bench.texts(line), ["1"]);
    bench.subscribe(line, "$share/g/t", handling(v5::RetainHandling::AtSubscribe));
    assert!(bench.texts(line).is_empty());
}

#[test]
fn more_retained_messages_than_are_allowed_are_delivered_but_not_kept() {
    let limits = Limits { retained: 2, ..Limits::default() };
    let (mut bench, line, other) = pair(Version::V5, limits);
    bench.subscribe(line, "#", options(0));
    for topic in ["a", "b", "c"] {
        bench.send(other, retained(topic, topic));
    }
    assert_eq!(bench.texts(line), ["a", "b", "c"]);
    assert_eq!(bench.drive.state.counts().retained, 2);
    assert_eq!(bench.drive.state.dropped().retained_full, 1);
    bench.send(other, retained("a", ""));
    bench.send(other, retained("c", "c"));
    assert_eq!(bench.drive.state.dropped().retained_full, 1);
}

#[test]
fn a_kept_payload_does_not_hold_a_read_buffer() {
    let (mut bench, line, other) = pair(Version::V5, Limits::default());
    bench.subscribe(line, "t", options(1));
    let mut buffer = BytesMut::with_capacity(64 * 1_024);
    buffer.extend_from_slice(&bytes(Version::V5, publish("t", "x", 1, 1).into()));
    let start = buffer.as_ptr() as usize;
    let end = start + buffer.capacity();
    let mut codec = crate::broker::codec::Codec::new(&Limits::default());
    codec.decode(&mut bytes(Version::V5, passing("x").into())).unwrap();
    let Ok(Some(v5::Packet::Publish(taken))) = codec.decode(&mut buffer) else { panic!() };
    assert!(
        (start..end).contains(&(taken.payload.as_ptr() as usize)),
        "no copy is made to read it"
    );
    let message = crate::broker::message::Message::of(&taken, bench.drive.now);
    assert!(!(start..end).contains(&(message.payload.as_ptr() as usize)));
    assert!(!(start..end).contains(&(message.topic.as_ptr() as usize)));
    bench.send(other, publish("t", "x", 1, 1));
}

//! Publishes, subscriptions, queues.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::BytesMut;
use rmqtt_codec::v5::{self, DisconnectReasonCode, PublishProperties};

use super::client::*;
use crate::broker::codec::Version;
use crate::broker::limits::Limits;

fn bench() -> Bench {
    Bench::new(Limits::default())
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

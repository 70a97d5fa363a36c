//! Subscriptions and what is retained for them.

use std::num::NonZeroU32;
use std::time::Duration;

use rmqtt_codec::v5::{self, DisconnectReasonCode, PublishProperties, SubscribeAckReason};

use super::client::*;
use crate::broker::codec::Version;
use crate::broker::limits::Limits;

fn bench() -> Bench {
    Bench::new(Limits::default())
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

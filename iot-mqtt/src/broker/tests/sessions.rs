//! Sessions: begun, gone on with, taken over, ended; and wills.

use std::num::NonZeroU32;
use std::time::Duration;

use rmqtt_codec::types::QoS;
use rmqtt_codec::v5;

use super::client::*;
use crate::broker::codec::Version;
use crate::broker::limits::Limits;
use crate::broker::state::Closed;

fn bench() -> Bench {
    Bench::new(Limits::default())
}

#[test]
fn a_session_that_stays_gets_what_was_published_meanwhile() {
    for version in BOTH {
        let mut bench = bench();
        let other = bench.connect(Version::V5, passing("other"));
        let (line, ack) = bench.try_connect(version, staying("a"));
        assert!(!ack.session_present);
        bench.subscribe(line, "t", options(1));
        bench.leave(line);
        bench.send(other, publish("t", "0", 0, 0));
        bench.send(other, publish("t", "1", 1, 1));
        bench.send(other, publish("t", "2", 1, 2));
        let (line, ack) = bench.try_connect(version, staying("a"));
        assert!(ack.session_present);
        assert_eq!(bench.texts(line), ["1", "2"]);
        assert_eq!(bench.drive.state.counts().queued, 0);
    }
}

#[test]
fn a_clean_session_leaves_nothing() {
    for version in BOTH {
        let mut bench = bench();
        let line = bench.connect(version, passing("a"));
        bench.subscribe(line, "t", options(1));
        bench.lose(line);
        assert_eq!(bench.drive.state.counts(), Default::default());
        let kept = bench.connect(version, staying("a"));
        bench.subscribe(kept, "t", options(1));
        bench.lose(kept);
        let (_, ack) = bench.try_connect(version, passing("a"));
        assert!(!ack.session_present);
        assert_eq!(bench.drive.state.counts().subscriptions, 0);
    }
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let mut bench = bench();
    let line = bench.connect(Version::V5, staying("a"));
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(3_599));
    let (line, ack) = bench.try_connect(Version::V5, staying("a"));
    assert!(ack.session_present);
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(3_601));
    assert_eq!(bench.drive.state.counts().sessions, 0);
}

#[test]
fn an_eternal_session_is_told_how_long_it_really_stays() {
    let mut bench = bench();
    let connect = v5::Connect { session_expiry_interval_secs: u32::MAX, ..staying("a") };
    let (_, ack) = bench.try_connect(Version::V5, connect);
    assert_eq!(ack.session_expiry_interval_secs, Some(7 * 24 * 3_600));
}

#[test]
fn a_goodbye_may_change_how_long_a_session_stays_but_not_revive_it() {
    let mut bench = bench();
    let line = bench.connect(Version::V5, staying("a"));
    let bye = v5::Disconnect { session_expiry_interval_secs: Some(0), ..Default::default() };
    assert_eq!(bench.send_last(line, bye), Some(vec![]));
    assert_eq!(bench.drive.state.counts().sessions, 0);
    let line = bench.connect(Version::V5, passing("a"));
    let bye = v5::Disconnect { session_expiry_interval_secs: Some(9), ..Default::default() };
    let refused = v5::Disconnect::new(v5::DisconnectReasonCode::ProtocolError);
    assert_eq!(bench.send_last(line, bye), Some(vec![refused.into()]));
}

#[test]
fn a_client_without_an_id_is_given_one() {
    let mut bench = bench();
    let (_, first) = bench.try_connect(Version::V5, passing(""));
    let (_, second) = bench.try_connect(Version::V5, passing(""));
    assert!(first.assigned_client_id.is_some());
    assert_ne!(first.assigned_client_id, second.assigned_client_id);
    bench.connect(Version::V3, passing(""));
    assert_eq!(bench.drive.state.counts().sessions, 3);
}

#[test]
fn two_clients_with_one_id_are_never_connected_together() {
    for version in BOTH {
        let mut bench = bench();
        let first = bench.connect(version, staying("a"));
        bench.subscribe(first, "t", options(1));
        let other = bench.connect(Version::V5, passing("other"));
        bench.send(other, publish("t", "1", 1, 1));
        bench.send(other, publish("t", "2", 1, 2));
        let sent = bench.publishes(first);
        assert_eq!(sent.len(), 2);
        // In flight to the first when the second takes over.
        let (second, ack) = bench.try_connect(version, staying("a"));
        assert!(ack.session_present);
        assert!(!bench.drive.lines.contains_key(&first));
        bench.send(other, publish("t", "3", 1, 3));
        let again = bench.publishes(second);
        let seen: Vec<(bool, &[u8])> = again.iter().map(|p| (p.dup, &p.payload[..])).collect();
        assert_eq!(seen, [(true, &b"1"[..]), (true, b"2"), (false, b"3")]);
        assert_eq!(again[0].packet_id, sent[0].packet_id);
        assert_eq!(bench.drive.state.counts().connections, 2);
    }
}

#[test]
fn a_session_that_would_end_with_its_connection_is_not_taken_over() {
    let mut bench = bench();
    bench.connect(Version::V5, passing("a"));
    let connect = v5::Connect { clean_start: false, ..passing("a") };
    let (_, ack) = bench.try_connect(Version::V5, connect);
    assert!(!ack.session_present);
}

#[test]
fn nobody_goes_on_with_anothers_session() {
    let mut bench = bench();
    let mine = || v5::Connect { username: Some("me".into()), ..staying("a") };
    let yours = || v5::Connect { username: Some("you".into()), ..staying("a") };
    let line = bench.connect(Version::V5, mine());
    bench.subscribe(line, "t", options(1));
    let (refused, ack) = bench.try_connect(Version::V5, yours());
    assert_eq!(ack.reason_code, v5::ConnectAckReason::NotAuthorized);
    assert!(!bench.drive.lines.contains_key(&refused));
    assert!(bench.drive.lines.contains_key(&line));
    bench.leave(line);
    let (_, ack) = bench.try_connect(Version::V5, yours());
    assert!(!ack.session_present);
    assert_eq!(bench.drive.state.counts().subscriptions, 0);
    assert_eq!(bench.drive.state.dropped().owner_changed, 1);
}

#[test]
fn the_session_longest_away_makes_room_for_a_new_one() {
    let mut bench = Bench::new(Limits { sessions: 2, clients: 2, ..Limits::default() });
    for client in ["a", "b"] {
        let line = bench.connect(Version::V5, staying(client));
        bench.leave(line);
        bench.drive.pass(Duration::from_secs(1));
    }
    let line = bench.connect(Version::V5, staying("c"));
    bench.leave(line);
    assert_eq!(bench.drive.state.dropped().session_evicted, 1);
    assert!(bench.try_connect(Version::V5, staying("b")).1.session_present);
    assert!(!bench.try_connect(Version::V5, staying("a")).1.session_present);
}

#[test]
fn more_clients_than_are_allowed_are_refused_but_a_known_one_may_take_over() {
    for version in BOTH {
        let mut bench = Bench::new(Limits { clients: 1, ..Limits::default() });
        bench.connect(version, passing("a"));
        let (_, ack) = bench.try_connect(version, passing("b"));
        assert_ne!(ack.reason_code, v5::ConnectAckReason::Success);
        bench.connect(version, passing("a"));
    }
}

#[test]
fn a_second_connect_ends_the_connection() {
    for version in BOTH {
        let mut bench = bench();
        let line = bench.connect(version, passing("a"));
        let last = bench.send_last(line, passing("a")).unwrap();
        let told = v5::Disconnect::new(v5::DisconnectReasonCode::ProtocolError).into();
        assert_eq!(last, if version == Version::V5 { vec![told] } else { vec![] });
    }
}

#[test]
fn an_authentication_that_is_not_known_is_refused() {
    let mut bench = bench();
    let connect = v5::Connect { auth_method: Some("SCRAM".into()), ..passing("a") };
    let (_, ack) = bench.try_connect(Version::V5, connect);
    assert_eq!(ack.reason_code, v5::ConnectAckReason::BadAuthenticationMethod);
}

fn watched(
    version: Version,
    connect: v5::Connect,
) -> (Bench, [super::super::session::ConnectionId; 2]) {
    let mut bench = bench();
    let watch = bench.connect(Version::V5, passing("watch"));
    bench.subscribe(watch, "#", options(1));
    let line = bench.connect(version, connect);
    (bench, [watch, line])
}

fn with_will(delay: u32) -> v5::Connect {
    let will = v5::LastWill { will_delay_interval_sec: Some(delay), ..will("w", "gone") };
    v5::Connect { last_will: Some(will), ..staying("a") }
}

#[test]
fn a_will_is_published_when_a_client_is_lost_and_not_when_it_says_goodbye() {
    for version in BOTH {
        let (mut bench, [watch, line]) = watched(version, with_will(0));
        bench.leave(line);
        assert!(bench.texts(watch).is_empty());
        let line = bench.connect(version, with_will(0));
        bench.lose(line);
        assert_eq!(bench.texts(watch), ["gone"]);
    }
    let (mut bench, [watch, line]) = watched(Version::V5, with_will(0));
    let bye = v5::Disconnect::new(v5::DisconnectReasonCode::DisconnectWithWillMessage);
    assert_eq!(bench.send_last(line, bye), Some(vec![]));
    assert_eq!(bench.texts(watch), ["gone"]);
}

#[test]
fn a_will_is_published_when_a_client_breaks_the_protocol() {
    for version in BOTH {
        let (mut bench, [watch, line]) = watched(version, with_will(0));
        assert!(bench.send_last(line, publish("a/#", "x", 0, 0)).is_some());
        assert_eq!(bench.texts(watch), ["gone"]);
    }
}

#[test]
fn a_delayed_will_waits_and_is_void_when_the_client_comes_back() {
    let (mut bench, [watch, line]) = watched(Version::V5, with_will(10));
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(9));
    let line = bench.connect(Version::V5, staying("a"));
    bench.drive.pass(Duration::from_secs(9));
    assert!(bench.texts(watch).is_empty());
    bench.leave(line);

    let line = bench.connect(Version::V5, with_will(10));
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(10));
    assert_eq!(bench.texts(watch), ["gone"]);
}

#[test]
fn a_delayed_will_comes_no_later_than_its_sessions_end() {
    let (mut bench, [watch, line]) = watched(Version::V5, with_will(10_000));
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(3_600));
    assert_eq!(bench.texts(watch), ["gone"]);

    let line = bench.connect(Version::V5, with_will(10_000));
    bench.lose(line);
    bench.connect(Version::V5, passing("a"));
    assert_eq!(bench.texts(watch), ["gone"]);
}

#[test]
fn a_take_over_lets_go_the_will_of_the_old_connection() {
    for version in BOTH {
        let (mut bench, [watch, _]) = watched(version, with_will(0));
        bench.connect(version, staying("a"));
        assert_eq!(bench.texts(watch), ["gone"]);
    }
    let (mut bench, [watch, _]) = watched(Version::V5, with_will(10));
    bench.connect(Version::V5, staying("a"));
    bench.drive.pass(Duration::from_secs(100));
    assert!(bench.texts(watch).is_empty());
}

#[test]
fn a_will_that_could_not_be_published_is_refused_at_once() {
    for topic in ["a/#", "", "$SYS/x"] {
        let mut bench = bench();
        let connect = v5::Connect { last_will: Some(will(topic, "x")), ..staying("a") };
        let (_, ack) = bench.try_connect(Version::V5, connect);
        assert_eq!(ack.reason_code, v5::ConnectAckReason::TopicNameInvalid);
    }
    let mut bench = Bench::new(Limits { will_bytes: 1_000, ..Limits::default() });
    let large = "x".repeat(2_000);
    let connect = v5::Connect { last_will: Some(will("w", &large)), ..staying("a") };
    let (_, ack) = bench.try_connect(Version::V5, connect);
    assert_eq!(ack.reason_code, v5::ConnectAckReason::QuotaExceeded);
}

#[test]
fn a_wills_lifetime_begins_when_it_is_published() {
    let will = v5::LastWill {
        message_expiry_interval: NonZeroU32::new(20),
        will_delay_interval_sec: Some(100),
        ..will("w", "gone")
    };
    let connect = v5::Connect { last_will: Some(will), ..staying("a") };
    let (mut bench, [watch, line]) = watched(Version::V5, connect);
    bench.lose(line);
    bench.drive.pass(Duration::from_secs(100));
    bench.drive.pass(Duration::from_secs(5));
    let got = bench.publishes(watch).remove(0);
    let left = got.properties.and_then(|p| p.message_expiry_interval);
    assert_eq!(left, NonZeroU32::new(15));
}

#[test]
fn what_the_client_had_sent_with_qos_2_is_known_after_it_comes_back() {
    for version in BOTH {
        let mut bench = bench();
        let watch = bench.connect(Version::V5, passing("watch"));
        bench.subscribe(watch, "#", options(0));
        let line = bench.connect(version, staying("a"));
        bench.send(line, publish("t", "1", 2, 5));
        bench.drive.acknowledge(line, 1);
        assert_eq!(bench.receive(line), [pubrec(id(5))]);
        bench.lose(line);
        // The PUBREC may not have arrived: the client sends again.
        let line = bench.connect(version, staying("a"));
        let again = rmqtt_codec::types::Publish { dup: true, ..publish("t", "1", 2, 5) };
        bench.send(line, again);
        bench.drive.acknowledge(line, 1);
        assert_eq!(bench.receive(line), [pubrec(id(5))]);
        bench.send(line, pubrel(id(5)));
        assert_eq!(bench.receive(line), [pubcomp(id(5))]);
        assert_eq!(bench.texts(watch), ["1"]);
        // The id is free again.
        bench.send(line, publish("t", "2", 2, 5));
        assert_eq!(bench.texts(watch), ["2"]);
    }
}

#[test]
fn a_pubrec_waits_for_the_commit_even_where_the_client_came_back_meanwhile() {
    for version in BOTH {
        let mut bench = bench();
        let line = bench.connect(version, staying("a"));
        let mut first = publish("t", "1", 2, 5);
        let state = &mut bench.drive.state;
        let receipt = match state.inbound(line, &mut first).unwrap() {
            crate::broker::receive::Inbound::Fresh(Some(receipt)) => receipt,
            other => panic!("{other:?}"),
        };
        bench.lose(line);
        let line = bench.connect(version, staying("a"));
        bench.send(line, rmqtt_codec::types::Publish { dup: true, ..publish("t", "1", 2, 5) });
        bench.drive.acknowledge(line, 1);
        assert_eq!(bench.receive(line), []);
        // Now it is on disk.
        let success = v5::PublishAckReason::Success;
        assert_eq!(bench.drive.state.acknowledge(&receipt, success), None);
        assert_eq!(bench.receive(line), [pubrec(id(5))]);
        bench.send(line, pubrel(id(5)));
        assert_eq!(bench.receive(line), [pubcomp(id(5))]);
        assert_eq!(bench.drive.state.unacknowledged(line), 0);
    }
}

#[test]
fn an_acknowledgement_for_a_session_that_ended_goes_nowhere() {
    let mut bench = bench();
    let line = bench.connect(Version::V5, passing("a"));
    let mut first = publish("t", "1", 2, 5);
    let inbound = bench.drive.state.inbound(line, &mut first).unwrap();
    let crate::broker::receive::Inbound::Fresh(Some(receipt)) = inbound else { panic!() };
    bench.lose(line);
    let line = bench.connect(Version::V5, passing("a"));
    bench.send(line, publish("t", "2", 2, 5));
    assert_eq!(bench.drive.state.acknowledge(&receipt, v5::PublishAckReason::Success), None);
    assert_eq!(bench.receive(line), []);
    assert_eq!(receipt.qos, QoS::ExactlyOnce);
    assert!(bench.drive.state.closed(line, Closed::Clean, bench.drive.now).is_empty());
}

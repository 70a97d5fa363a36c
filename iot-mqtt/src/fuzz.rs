//! What is fuzzed, as plain functions over bytes that panic where a promise is broken.

use std::time::Duration;

use crate::broker::drive::Drive;
use crate::broker::limits::Limits;
use crate::broker::session::{ConnectionId, SessionId};
use crate::broker::state::Closed;
use crate::broker::subscriptions::{Options, Subscriptions, Target};
use crate::topic::{self, Filter};
use rmqtt_codec::types::QoS;

/// CONNECTs that come before the input, so that it need not find the protocol first: 3.1.1 clean,
/// 3.1.1 kept, 5 with a session that stays an hour.
const GREETINGS: [&[u8]; 3] = [
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a",
    b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01b",
    b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x0e\x10\x00\x01c",
];

/// SUBSCRIBE to everything with QoS 2, in both versions.
const EVERYTHING: [&[u8]; 2] =
    [b"\x82\x06\x00\x01\x00\x01#\x02", b"\x82\x07\x00\x01\x00\x00\x01#\x02"];

/// Bytes of several clients, through the codec and the broker's state.
///
/// The input is a list of steps: a byte that says which of four connections and what, and for
/// bytes to be fed a byte of length and the bytes.
///
/// # Panics
/// A bound of the broker is exceeded, or its parts disagree.
pub fn packets(data: &[u8]) {
    let limits = Limits {
        clients: 4,
        sessions: 6,
        subscriptions_per_client: 8,
        subscriptions: 20,
        retained: 8,
        retained_bytes: 16 * 1_024,
        queue: 8,
        queue_bytes: 8 * 1_024,
        queued_bytes: 16 * 1_024,
        will_bytes: 4 * 1_024,
        receive_maximum: 8,
        unreleased: 12,
        inflight_v3: 3,
        inflight_v5: 5,
        topic_aliases: 4,
        payload: 4 * 1_024,
        connect: 1_024,
        ..Limits::default()
    };
    let mut drive = Drive::new(limits);
    let mut lines: [Option<ConnectionId>; 4] = [None; 4];
    let mut rest = data;
    while let Some((step, more)) = rest.split_first() {
        rest = more;
        let line = &mut lines[usize::from(step & 3)];
        let id = *line.get_or_insert_with(|| drive.open());
        match (step >> 2) & 7 {
            0 => {
                let greeting = usize::from(step >> 5);
                if let Some(bytes) = GREETINGS.get(greeting) {
                    drive.feed(id, bytes);
                } else if let Some(bytes) = EVERYTHING.get(greeting - GREETINGS.len()) {
                    drive.feed(id, bytes);
                }
            }
            1 => drive.acknowledge(id, usize::from(step >> 5)),
            2 => drive.write(),
            3 => drive.pass(Duration::from_secs(1 << (step >> 4))),
            4 => {
                drive.close(id, if step >> 7 == 0 { Closed::Abnormal } else { Closed::Clean });
                *line = None;
            }
            _ => {
                let Some((len, more)) = rest.split_first() else { break };
                let (bytes, more) = more.split_at(usize::from(*len).min(more.len()));
                rest = more;
                drive.feed(id, bytes);
            }
        }
        for line in &mut lines {
            if line.is_some_and(|id| !drive.lines.contains_key(&id)) {
                *line = None;
            }
        }
        drive.check();
    }
}

/// Filters and names, a line each, against a matcher that is too simple to be wrong; and the tree
/// of subscriptions against the filters one by one.
///
/// # Panics
/// They disagree.
pub fn topics(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut subscriptions = Subscriptions::default();
    let mut held: Vec<(SessionId, Target)> = Vec::new();
    for (number, line) in text.split('\n').take(64).enumerate() {
        if let Ok(target) = Target::parse(line) {
            let session = SessionId::numbered(u32::try_from(number).unwrap_or(u32::MAX));
            let options = Options {
                qos: QoS::AtLeastOnce,
                no_local: false,
                retain_as_published: false,
                id: None,
            };
            assert!(subscriptions.insert(session, &target, options), "it is new");
            held.push((session, target));
        }
        if topic::check_name(line).is_err() {
            continue;
        }
        for (_, target) in &held {
            let simple = simply(target.filter.as_str(), line);
            assert_eq!(target.filter.matches(line), simple, "{} and {line:?}", target.filter);
        }
        same(&subscriptions, &held, line);
        // Every third goes again, so that what is left of the tree is looked at too.
        if number % 3 == 2 && !held.is_empty() {
            let (session, target) = held.swap_remove(number % held.len());
            assert!(subscriptions.remove(session, &target), "it was there");
            same(&subscriptions, &held, line);
        }
    }
    for (session, target) in &held {
        assert!(subscriptions.remove(*session, target), "it was there");
    }
    assert!(subscriptions.is_empty() && subscriptions.bytes() == 0, "nothing is left");
    assert!(subscriptions.is_bare(), "no node is left");
}

/// Checks that the tree finds what the filters do. Of each group one member is found.
fn same(subscriptions: &Subscriptions, held: &[(SessionId, Target)], name: &str) {
    let mut hits = Vec::new();
    subscriptions.matching(name, None, true, |_| true, &mut hits);
    let mut found: Vec<SessionId> =
        hits.iter().filter(|hit| !hit.shared).map(|hit| hit.session).collect();
    found.sort_unstable();
    let matches = |filter: &Filter| filter.matches(name);
    let mut expected: Vec<SessionId> = held
        .iter()
        .filter(|(_, target)| target.group.is_none() && matches(&target.filter))
        .map(|(session, _)| *session)
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "{name:?}");

    let mut groups: Vec<(&str, &str)> = held
        .iter()
        .filter(|(_, target)| matches(&target.filter))
        .filter_map(|(_, target)| Some((target.group.as_deref()?, target.filter.as_str())))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(hits.iter().filter(|hit| hit.shared).count(), groups.len(), "{name:?}");
    let any = !expected.is_empty() || !groups.is_empty();
    assert_eq!(subscriptions.any(name, |_| true), any, "{name:?}");
}

/// MQTT 5, 4.7, word for word.
fn simply(filter: &str, name: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    let wild = filter[0] == "+" || filter[0] == "#";
    if wild && name[0].starts_with('$') {
        return false;
    }
    let (filter, open) = match filter.split_last() {
        Some((&"#", before)) => (before, true),
        _ => (&filter[..], false),
    };
    let long_enough = if open { name.len() >= filter.len() } else { name.len() == filter.len() };
    long_enough && filter.iter().zip(&name).all(|(f, n)| *f == "+" || f == n)
}

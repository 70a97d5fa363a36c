//! Clients that publish, subscribe, break off, come back and take over at random: whatever they
//! do, who keeps a session gets each message of QoS 1 at least once, each of QoS 2 exactly once,
//! and all in order.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use proptest::prelude::*;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5;

use super::client::*;
use crate::broker::codec::Version;
use crate::broker::limits::Limits;
use crate::broker::session::ConnectionId;

const TOPICS: [&str; 3] = ["t/a", "t/b", "t/a/c"];
const FILTERS: [&str; 5] = ["#", "t/+", "t/a", "$share/g/t/#", "+/a/#"];
const PUBLISHERS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        by: usize,
        topic: usize,
        qos: u8,
    },
    /// The commit comes.
    Commit {
        by: usize,
        most: usize,
    },
    /// A client reads what was written to it.
    Read {
        by: usize,
    },
    /// A subscriber answers some of what it read, the last first if `backwards`.
    Answer {
        most: usize,
        backwards: bool,
    },
    /// A connection breaks; a publish is on its way that never arrives.
    Lose {
        by: usize,
    },
    /// A client connects, over its old connection where it has one.
    Back {
        by: usize,
        window: u16,
    },
    /// Another client comes, subscribes or not, and never reads.
    Stranger {
        filter: usize,
        qos: u8,
        stays: bool,
    },
    Unsubscribe {
        filter: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let by = 0..=PUBLISHERS;
    prop_oneof![
        8 => (0..PUBLISHERS, 0..TOPICS.len(), 0_u8..3)
            .prop_map(|(by, topic, qos)| Step::Publish { by, topic, qos }),
        4 => (0..PUBLISHERS, 1_usize..5).prop_map(|(by, most)| Step::Commit { by, most }),
        6 => by.clone().prop_map(|by| Step::Read { by }),
        4 => (1_usize..5, any::<bool>())
            .prop_map(|(most, backwards)| Step::Answer { most, backwards }),
        1 => by.clone().prop_map(|by| Step::Lose { by }),
        2 => (by, 1_u16..6).prop_map(|(by, window)| Step::Back { by, window }),
        1 => (0..FILTERS.len(), 0_u8..3, any::<bool>())
            .prop_map(|(filter, qos, stays)| Step::Stranger { filter, qos, stays }),
        1 => (0..FILTERS.len()).prop_map(|filter| Step::Unsubscribe { filter }),
        1 => (0_u64..5).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// A client with a session that stays. The last one subscribes, the others publish.
struct Client {
    name: &'static str,
    version: Version,
    line: Option<ConnectionId>,
    /// Publishes without their last answer, in order, and whether they are released.
    pending: Vec<(Publish, bool)>,
    last_id: u16,
    /// What was answered neither by PUBACK nor PUBREC.
    answers: Vec<v5::Packet>,
    /// Ids of received messages whose exchange is not over.
    open: BTreeSet<NonZeroU16>,
    /// Those of QoS 2 among them that were received.
    received: BTreeSet<NonZeroU16>,
    got: Vec<(String, String)>,
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    stranger: Option<ConnectionId>,
    /// By publisher and topic: the texts with QoS 1 and 2.
    published: BTreeMap<(usize, usize), Vec<String>>,
    number: usize,
}

impl World {
    fn new(limits: Limits, versions: [Version; PUBLISHERS + 1]) -> Self {
        let names = ["first", "second", "keeper"];
        let clients = names.iter().zip(versions).map(|(name, version)| Client {
            name,
            version,
            line: None,
            pending: Vec::new(),
            last_id: 0,
            answers: Vec::new(),
            open: BTreeSet::new(),
            received: BTreeSet::new(),
            got: Vec::new(),
        });
        let mut world = Self {
            bench: Bench::new(limits),
            clients: clients.collect(),
            stranger: None,
            published: BTreeMap::new(),
            number: 0,
        };
        for by in 0..=PUBLISHERS {
            world.back(by, 5);
        }
        let keeper = world.clients[PUBLISHERS].line.unwrap();
        world.bench.subscribe(keeper, "t/#", options(2));
        world.bench.subscribe(keeper, "t/a", options(1));
        world
    }

    fn make(&mut self, by: usize, topic: usize, qos: u8) -> Publish {
        self.number += 1;
        let text = format!("{by} {topic} {qos} {}", self.number);
        if qos > 0 {
            self.published.entry((by, topic)).or_default().push(text.clone());
        }
        let client = &mut self.clients[by];
        if qos > 0 {
            loop {
                client.last_id = client.last_id % 40 + 1;
                if client.pending.iter().all(|(p, _)| p.packet_id != Some(id(client.last_id))) {
                    break;
                }
            }
        }
        let made = publish(TOPICS[topic], &text, qos, if qos > 0 { client.last_id } else { 0 });
        if qos > 0 {
            client.pending.push((made.clone(), false));
        }
        made
    }

    fn publish(&mut self, by: usize, topic: usize, qos: u8) {
        let Some(line) = self.clients[by].line else { return };
        if self.clients[by].pending.len() >= 30 {
            return;
        }
        let made = self.make(by, topic, qos);
        self.bench.send(line, made);
    }

    fn back(&mut self, by: usize, window: u16) {
        let client = &mut self.clients[by];
        let connect = v5::Connect { receive_max: NonZeroU16::new(window), ..staying(client.name) };
        let (line, ack) = self.bench.try_connect(client.version, connect);
        assert_eq!(ack.reason_code, v5::ConnectAckReason::Success);
        client.line = Some(line);
        client.answers.clear();
        client.open = client.received.clone();
        assert!(ack.session_present || (client.pending.is_empty() && client.got.is_empty()));
        for (publish, released) in client.pending.clone() {
            let packet = publish.packet_id.unwrap();
            if released {
                self.bench.send(line, pubrel(packet));
            } else {
                self.bench.send(line, Publish { dup: true, ..publish });
            }
        }
    }

    fn lose(&mut self, by: usize) {
        let Some(line) = self.clients[by].line.take() else { return };
        if by < PUBLISHERS && self.clients[by].pending.len() < 30 {
            self.make(by, 0, 2);
            self.make(by, 0, 1);
        }
        self.bench.lose(line);
    }

    fn read(&mut self, by: usize) {
        let Some(line) = self.clients[by].line else { return };
        for packet in self.bench.receive(line) {
            let client = &mut self.clients[by];
            match packet {
                v5::Packet::PublishAck(ack) => {
                    let done = |p: &Publish| {
                        p.packet_id == Some(ack.packet_id) && p.qos == QoS::AtLeastOnce
                    };
                    let at = client.pending.iter().position(|(p, _)| done(p));
                    client.pending.remove(at.expect("a PUBACK for nothing"));
                }
                v5::Packet::PublishReceived(ack) => {
                    let known = client.pending.iter_mut().find(|(p, _)| {
                        p.packet_id == Some(ack.packet_id) && p.qos == QoS::ExactlyOnce
                    });
                    known.expect("a PUBREC for nothing").1 = true;
                    self.bench.send(line, pubrel(ack.packet_id));
                }
                v5::Packet::PublishComplete(ack) => {
                    client.pending.retain(|(p, _)| p.packet_id != Some(ack.packet_id));
                }
                v5::Packet::Publish(publish) => client.take(*publish),
                v5::Packet::PublishRelease(ack) => {
                    client.received.remove(&ack.packet_id);
                    client.answers.push(pubcomp(ack.packet_id));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, most: usize, backwards: bool) {
        let client = &mut self.clients[PUBLISHERS];
        let Some(line) = client.line else { return };
        for _ in 0..most.min(client.answers.len()) {
            let client = &mut self.clients[PUBLISHERS];
            let at = if backwards { client.answers.len() - 1 } else { 0 };
            let answer = client.answers.remove(at);
            if let v5::Packet::PublishAck(v5::PublishAck { packet_id, .. })
            | v5::Packet::PublishComplete(v5::PublishAck2 { packet_id, .. }) = &answer
            {
                client.open.remove(packet_id);
            }
            self.bench.send(line, answer);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish { by, topic, qos } => self.publish(by, topic, qos),
            Step::Commit { by, most } => {
                if let Some(line) = self.clients[by].line {
                    self.bench.drive.acknowledge(line, most);
                }
            }
            Step::Read { by } => self.read(by),
            Step::Answer { most, backwards } => self.answer(most, backwards),
            Step::Lose { by } => self.lose(by),
            Step::Back { by, window } => self.back(by, window),
            Step::Stranger { filter, qos, stays } => {
                let connect = if stays { staying("stranger") } else { passing("stranger") };
                let (line, ack) = self.bench.try_connect(Version::V5, connect);
                if ack.reason_code == v5::ConnectAckReason::Success {
                    self.bench.subscribe(line, FILTERS[filter], options(qos));
                    self.stranger = Some(line);
                }
            }
            Step::Unsubscribe { filter } => {
                if let Some(line) = self.stranger {
                    let unsubscribe = v5::Unsubscribe {
                        packet_id: id(1),
                        user_properties: Vec::new(),
                        topic_filters: vec![FILTERS[filter].into()],
                    };
                    self.bench.send(line, unsubscribe);
                }
            }
            Step::Wait { seconds } => self.bench.drive.pass(Duration::from_secs(seconds)),
        }
        self.bench.drive.check();
    }

    /// Everybody comes back and does what is left to do.
    fn settle(&mut self) {
        for by in 0..=PUBLISHERS {
            self.back(by, 3);
        }
        for _ in 0..500 {
            for by in 0..PUBLISHERS {
                let line = self.clients[by].line.unwrap();
                self.bench.drive.acknowledge(line, usize::MAX >> 1);
            }
            for by in 0..=PUBLISHERS {
                self.read(by);
            }
            let keeper = &self.clients[PUBLISHERS];
            if keeper.answers.is_empty() && self.clients.iter().all(|c| c.pending.is_empty()) {
                return;
            }
            self.answer(usize::MAX, false);
        }
        panic!("it does not come to an end");
    }
}

impl Client {
    fn take(&mut self, publish: Publish) {
        let text = String::from_utf8(publish.payload.to_vec()).unwrap();
        let seen = (publish.topic.to_string(), text);
        let Some(packet) = publish.packet_id else {
            self.got.push(seen);
            return;
        };
        let fresh = self.open.insert(packet);
        assert!(fresh || publish.dup, "packet id {packet} is used again while it is in flight");
        if publish.qos == QoS::AtLeastOnce {
            self.got.push(seen);
            self.answers.push(puback(packet));
        } else {
            if self.received.insert(packet) {
                self.got.push(seen);
            }
            self.answers.push(pubrec(packet));
        }
    }

    /// What came of one publisher and topic with QoS 1 or 2, each at its first coming.
    fn first(&self, by: usize, topic: usize) -> Vec<String> {
        let mut seen = BTreeSet::new();
        self.of(by, topic).filter(|text| seen.insert(text.to_string())).cloned().collect()
    }

    fn of(&self, by: usize, topic: usize) -> impl Iterator<Item = &String> {
        let mine = format!("{by} {topic} ");
        let unassured = format!("{by} {topic} 0 ");
        self.got
            .iter()
            .map(|(_, text)| text)
            .filter(move |text| text.starts_with(&mine) && !text.starts_with(&unassured))
    }
}

fn versions() -> impl Strategy<Value = [Version; PUBLISHERS + 1]> {
    proptest::array::uniform3(proptest::sample::select(&BOTH[..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn who_keeps_a_session_misses_nothing_and_gets_it_in_order(
        steps in proptest::collection::vec(step(), 1..200),
        versions in versions(),
    ) {
        let mut world = World::new(Limits::default(), versions);
        for step in &steps {
            world.step(step);
        }
        world.settle();
        let keeper = &world.clients[PUBLISHERS];
        for ((by, topic), published) in &world.published {
            prop_assert_eq!(&keeper.first(*by, *topic), published);
            let twice: Vec<&String> = published
                .iter()
                .filter(|text| text.split(' ').nth(2) == Some("2"))
                .filter(|text| keeper.of(*by, *topic).filter(|got| got == text).count() != 1)
                .collect();
            prop_assert!(twice.is_empty(), "QoS 2 more than once: {:?}", twice);
        }
        prop_assert_eq!(world.bench.drive.state.dropped().memory_full, 0);
    }

    #[test]
    fn no_bound_is_exceeded_by_whatever_clients_do(
        steps in proptest::collection::vec(step(), 1..200),
        versions in versions(),
    ) {
        let limits = Limits {
            clients: 4,
            sessions: 4,
            queue: 5,
            queue_bytes: 1_500,
            queued_bytes: 2_500,
            inflight_v3: 2,
            inflight_v5: 3,
            ..Limits::default()
        };
        let mut world = World::new(limits, versions);
        for step in &steps {
            world.step(step);
        }
        world.settle();
    }

    #[test]
    fn packets_of_any_bytes_break_nothing(
        steps in proptest::collection::vec(
            (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..120),
    ) {
        crate::fuzz::packets(&stream(&steps));
    }

    #[test]
    fn packets_that_nearly_are_some_break_nothing(
        steps in proptest::collection::vec(
            (any::<u8>(), prop_oneof![packet(Version::V5), packet(Version::V3)]), 0..120),
    ) {
        crate::fuzz::packets(&stream(&steps));
    }

    #[test]
    fn the_tree_finds_what_the_filters_do(
        lines in proptest::collection::vec(
            "(\\$share/[gh]/)?[ab$+#]{1,2}(/[ab+#$]{0,2}){0,4}", 0..64),
    ) {
        crate::fuzz::topics(lines.join("\n").as_bytes());
    }
}

/// Steps as the fuzzed function reads them.
fn stream(steps: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (step, bytes) in steps {
        data.push(*step);
        if (step >> 2) & 7 > 4 {
            data.push(u8::try_from(bytes.len()).unwrap());
            data.extend(bytes);
        }
    }
    data
}

/// A packet, whole or with one byte changed.
fn packet(version: Version) -> impl Strategy<Value = Vec<u8>> {
    let number = || 1_u16..4;
    let made = prop_oneof![
        (0..TOPICS.len(), 0_u8..3, number(), any::<bool>(), 0_usize..100).prop_map(
            |(topic, qos, n, retain, len)| {
                let n = if qos == 0 { 0 } else { n };
                let text = "x".repeat(len);
                v5::Packet::from(Publish { retain, ..publish(TOPICS[topic], &text, qos, n) })
            }
        ),
        (0..FILTERS.len(), 0_u8..3, number()).prop_map(|(filter, qos, n)| {
            v5::Packet::from(v5::Subscribe {
                packet_id: id(n),
                id: None,
                user_properties: Vec::new(),
                topic_filters: vec![(FILTERS[filter].into(), options(qos))],
            })
        }),
        (0_usize..4, number()).prop_map(|(kind, n)| [puback, pubrec, pubrel, pubcomp][kind](id(n))),
        Just(v5::Packet::PingRequest),
    ];
    (made, proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(
        move |(packet, change)| {
            let mut bytes = bytes(version, packet).to_vec();
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

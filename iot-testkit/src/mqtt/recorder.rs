//! What a client published through a proxy, and what of it the broker acknowledged.
//!
//! A test puts it between the two, does its worst, and asks the [`Recording`] whether a promise was
//! kept. A message is known by its topic and its user property `seq`, or by its topic and payload
//! where it has none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::version::ProtocolVersion;
use rmqtt_codec::{MqttCodec, MqttPacket, v3, v5};
use tokio_util::codec::Decoder as _;

use super::connect::Version;
use crate::servers::{Proxy, ServerError, Side, Tap};

/// A PUBLISH on its way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPublish {
    /// On which connection, counted from 0.
    pub connection: u64,
    /// Its topic, also where only an alias was sent.
    pub topic: Arc<str>,
    /// Its number on the connection, of QoS 1 and 2.
    pub packet_id: Option<u16>,
    /// Whether the client said that it may have sent it before.
    pub dup: bool,
    /// Whether the broker was to keep it.
    pub retain: bool,
    /// With which promise.
    pub qos: QoS,
    /// Its user property `seq`, if that is a number.
    pub seq: Option<u64>,
    /// What it says.
    pub payload: Bytes,
    /// Its place among all that was recorded, publishes and acknowledgements.
    pub at: u64,
    /// The place of its PUBACK, or of its PUBREC, which means the same for QoS 2.
    pub acknowledged: Option<u64>,
}

impl RecordedPublish {
    /// What makes it the same message as another.
    fn identity(&self) -> (Arc<str>, Result<u64, Bytes>) {
        let what = self.seq.ok_or_else(|| self.payload.clone());
        (Arc::clone(&self.topic), what)
    }
}

/// All that was recorded up to now.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The publishes, in the order of their passing.
    pub publishes: Vec<RecordedPublish>,
    /// Acknowledgements of nothing, and bytes that are not MQTT.
    pub faults: Vec<String>,
    /// The client ids, by connection.
    pub client_ids: BTreeMap<u64, String>,
}

impl Recording {
    /// How many publishes were of a message that had been published before.
    #[must_use]
    pub fn sent_again(&self) -> usize {
        let distinct: HashSet<_> = self.publishes.iter().map(RecordedPublish::identity).collect();
        self.publishes.len() - distinct.len()
    }

    /// The values of `seq` that were acknowledged at least once.
    #[must_use]
    pub fn acknowledged_seqs(&self) -> HashSet<u64> {
        self.acknowledged().filter_map(|publish| publish.seq).collect()
    }

    /// The publishes that were acknowledged, a message as often as that happened.
    pub fn acknowledged(&self) -> impl Iterator<Item = &RecordedPublish> {
        self.publishes.iter().filter(|publish| publish.acknowledged.is_some())
    }

    /// Messages of QoS 1 and 2 that were published and never acknowledged, each once, as it was
    /// sent last.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<&RecordedPublish> {
        let done: HashSet<_> = self.acknowledged().map(RecordedPublish::identity).collect();
        let mut open = BTreeMap::new();
        let mut last = HashMap::new();
        for publish in &self.publishes {
            let identity = publish.identity();
            if publish.qos != QoS::AtMostOnce && !done.contains(&identity) {
                if let Some(before) = last.insert(identity, publish.at) {
                    open.remove(&before);
                }
                open.insert(publish.at, publish);
            }
        }
        open.into_values().collect()
    }

    /// Places where a topic's messages came out of order: one whose `seq` is lower than one
    /// published before it, and that had not been published yet. Messages sent again are in order
    /// wherever they come.
    #[must_use]
    pub fn out_of_order(&self) -> Vec<&RecordedPublish> {
        let mut known = HashSet::new();
        let mut highest: HashMap<&str, u64> = HashMap::new();
        let mut wrong = Vec::new();
        for publish in &self.publishes {
            let Some(seq) = publish.seq else { continue };
            if !known.insert((&*publish.topic, seq)) {
                continue;
            }
            let highest = highest.entry(&*publish.topic).or_default();
            if seq < *highest {
                wrong.push(publish);
            }
            *highest = seq.max(*highest);
        }
        wrong
    }

    /// The most publishes of QoS 1 and 2 that waited for their acknowledgement at one time, on one
    /// connection.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        let mut events: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
        for publish in self.publishes.iter().filter(|publish| publish.qos != QoS::AtMostOnce) {
            events.insert(publish.at, (publish.connection, true));
            if let Some(acknowledged) = publish.acknowledged {
                events.insert(acknowledged, (publish.connection, false));
            }
        }
        let mut open: HashMap<u64, usize> = HashMap::new();
        let mut most = 0;
        for (connection, begins) in events.into_values() {
            let open = open.entry(connection).or_default();
            *open = if begins { *open + 1 } else { open.saturating_sub(1) };
            most = most.max(*open);
        }
        most
    }
}

/// A [`Proxy`] that records MQTT, 3.1.1 and 5, of clients that publish.
pub struct Recorder {
    proxy: Proxy,
    tape: Arc<Tape>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder before `broker`, which need not listen yet.
    ///
    /// # Errors
    ///
    /// When no port is free or no thread can be had.
    pub fn start(broker: SocketAddr) -> Result<Self, ServerError> {
        let tape = Arc::new(Tape::default());
        let tap: Arc<dyn Tap> = tape.clone();
        Ok(Self { proxy: Proxy::tapped(broker, tap)?, tape })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// The proxy, to make the network bad.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// A copy of what was recorded up to now. Payloads are shared, not copied.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.tape.lock().recording.clone()
    }

    /// Looks at what was recorded up to now without copying it. The proxy waits meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Recording) -> T) -> T {
        look(&self.tape.lock().recording)
    }

    /// Forgets what was recorded, and keeps what it must know of open connections. What is
    /// acknowledged from now on and was published before counts as a fault.
    pub fn clear(&self) {
        let mut reel = self.tape.lock();
        reel.recording.publishes.clear();
        reel.recording.faults.clear();
        for line in reel.lines.values_mut() {
            line.open.clear();
        }
    }
}

#[derive(Default)]
struct Tape(Mutex<Reel>);

impl Tape {
    fn lock(&self) -> std::sync::MutexGuard<'_, Reel> {
        // A test that panicked while it looked has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Tape {
    fn passing(&self, connection: u64, to: Side, bytes: &[u8]) {
        self.lock().passing(connection, to, bytes);
    }
}

#[derive(Default)]
struct Reel {
    recording: Recording,
    events: u64,
    lines: HashMap<u64, Line>,
    topics: HashSet<Arc<str>>,
}

/// One connection.
#[derive(Default)]
struct Line {
    version: Option<Version>,
    /// What was sent to the broker and to the client, and is not taken apart yet.
    to_server: Option<Stream>,
    to_client: Option<Stream>,
    before_connect: BytesMut,
    aliases: HashMap<u16, Arc<str>>,
    /// Where the publishes are that wait for an acknowledgement, by packet id.
    open: HashMap<u16, usize>,
    /// Something was not MQTT: the rest cannot be told apart.
    lost: bool,
}

struct Stream {
    codec: MqttCodec,
    bytes: BytesMut,
}

impl Stream {
    fn new(version: Version) -> Self {
        Self { codec: version.codec(), bytes: BytesMut::new() }
    }

    fn next(&mut self) -> Result<Option<MqttPacket>, String> {
        let decoded = self.codec.decode(&mut self.bytes).map_err(|error| error.to_string())?;
        Ok(decoded.map(|(packet, _)| packet))
    }
}

impl Reel {
    fn passing(&mut self, connection: u64, to: Side, bytes: &[u8]) {
        let mut line = self.lines.remove(&connection).unwrap_or_default();
        if !line.lost
            && let Err(fault) = self.record(connection, &mut line, to, bytes)
        {
            line.lost = true;
            self.recording.faults.push(format!("connection {connection}, to the {to:?}: {fault}"));
        }
        self.lines.insert(connection, line);
    }

    fn record(
        &mut self,
        connection: u64,
        line: &mut Line,
        to: Side,
        mut bytes: &[u8],
    ) -> Result<(), String> {
        if line.version.is_none() {
            if to == Side::Client {
                return Err("an answer before the CONNECT".to_owned());
            }
            line.before_connect.extend_from_slice(bytes);
            let Some(version) = version_of(&mut line.before_connect)? else { return Ok(()) };
            line.version = Some(version);
            let mut stream = Stream::new(version);
            stream.bytes = std::mem::take(&mut line.before_connect);
            line.to_server = Some(stream);
            line.to_client = Some(Stream::new(version));
            bytes = &[];
        }
        let stream = match to {
            Side::Server => &mut line.to_server,
            Side::Client => &mut line.to_client,
        };
        let Some(mut parts) = stream.take() else { return Ok(()) };
        parts.bytes.extend_from_slice(bytes);
        let mut taken = Ok(());
        while taken.is_ok() {
            taken = match parts.next() {
                Ok(Some(packet)) if to == Side::Server => self.sent(connection, line, packet),
                Ok(Some(packet)) => {
                    self.answered(connection, line, &packet);
                    Ok(())
                }
                Ok(None) => break,
                Err(fault) => Err(fault),
            };
        }
        match to {
            Side::Server => line.to_server = Some(parts),
            Side::Client => line.to_client = Some(parts),
        }
        taken
    }

    fn sent(&mut self, connection: u64, line: &mut Line, packet: MqttPacket) -> Result<(), String> {
        match packet {
            MqttPacket::V3(v3::Packet::Connect(connect)) => {
                self.recording.client_ids.insert(connection, connect.client_id.to_string());
            }
            MqttPacket::V5(v5::Packet::Connect(connect)) => {
                self.recording.client_ids.insert(connection, connect.client_id.to_string());
            }
            MqttPacket::V3(v3::Packet::Publish(publish))
            | MqttPacket::V5(v5::Packet::Publish(publish)) => {
                self.published(connection, line, &publish)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn published(
        &mut self,
        connection: u64,
        line: &mut Line,
        publish: &Publish,
    ) -> Result<(), String> {
        let properties = publish.properties.as_ref();
        let alias = properties.and_then(|properties| properties.topic_alias);
        let topic = match alias {
            Some(alias) if publish.topic.is_empty() => line
                .aliases
                .get(&alias.get())
                .cloned()
                .ok_or_else(|| format!("topic alias {alias} means nothing"))?,
            alias => {
                let topic = self.topic(&publish.topic);
                if let Some(alias) = alias {
                    line.aliases.insert(alias.get(), Arc::clone(&topic));
                }
                topic
            }
        };
        let seq = properties
            .and_then(|it| it.user_properties.iter().find(|(name, _)| *name == "seq"))
            .and_then(|(_, value)| value.parse().ok());
        let packet_id = publish.packet_id.map(std::num::NonZeroU16::get);
        if let Some(id) = packet_id {
            line.open.insert(id, self.recording.publishes.len());
        }
        let at = self.tick();
        self.recording.publishes.push(RecordedPublish {
            connection,
            topic,
            packet_id,
            dup: publish.dup,
            retain: publish.retain,
            qos: publish.qos,
            seq,
            // What came in one read would else be kept as a whole.
            payload: Bytes::copy_from_slice(&publish.payload),
            at,
            acknowledged: None,
        });
        Ok(())
    }

    fn answered(&mut self, connection: u64, line: &mut Line, packet: &MqttPacket) {
        let id = match packet {
            MqttPacket::V3(
                v3::Packet::PublishAck { packet_id } | v3::Packet::PublishReceived { packet_id },
            ) => packet_id.get(),
            // A refusal is an answer too, but the message is not the broker's.
            MqttPacket::V5(v5::Packet::PublishAck(ack) | v5::Packet::PublishReceived(ack)) => {
                if u8::from(ack.reason_code) >= 0x80 {
                    line.open.remove(&ack.packet_id.get());
                    return;
                }
                ack.packet_id.get()
            }
            _ => return,
        };
        let at = self.tick();
        match line.open.remove(&id) {
            Some(index) => self.recording.publishes[index].acknowledged = Some(at),
            None => self
                .recording
                .faults
                .push(format!("connection {connection}: an answer to {id}, which waits for none")),
        }
    }

    fn topic(&mut self, topic: &str) -> Arc<str> {
        if let Some(known) = self.topics.get(topic) {
            return Arc::clone(known);
        }
        let new: Arc<str> = topic.into();
        self.topics.insert(Arc::clone(&new));
        new
    }

    fn tick(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

/// Which protocol the CONNECT at the beginning of `bytes` speaks, once enough of it is there.
fn version_of(bytes: &mut BytesMut) -> Result<Option<Version>, String> {
    let mut codec = MqttCodec::Version(rmqtt_codec::version::VersionCodec);
    match codec.decode(bytes).map_err(|error| error.to_string())? {
        Some((MqttPacket::Version(ProtocolVersion::MQTT3), _)) => Ok(Some(Version::V3)),
        Some((MqttPacket::Version(ProtocolVersion::MQTT5), _)) => Ok(Some(Version::V5)),
        _ => Ok(None),
    }
}

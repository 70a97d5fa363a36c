//! A broker with bytes for connections: what fuzzing and the tests of the state drive, in place of
//! sockets. Nothing is committed here, so a publish is acknowledged when the driver is told to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rmqtt_codec::v5::{Packet, PublishAckReason};
use tokio::time::Instant;

use super::codec::Codec;
use super::limits::Limits;
use super::message::Will;
use super::receive::{Inbound, Outcome};
use super::session::{ConnectionId, Receipt};
use super::state::{Closed, State};
use super::violation::Violation;

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    codec: Codec,
    input: BytesMut,
    /// What the client would read.
    pub(crate) output: BytesMut,
    accepted: bool,
    /// Publishes that are not acknowledged yet, in order.
    receipts: VecDeque<(Receipt, PublishAckReason)>,
}

/// The broker with its connections.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) state: State,
    pub(crate) lines: HashMap<ConnectionId, Line>,
    pub(crate) now: Instant,
    last: u64,
    ready: Vec<ConnectionId>,
}

/// How much is written to a connection at once.
const CHUNK: usize = 4 * 1_024;

impl Drive {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            state: State::new(limits),
            lines: HashMap::new(),
            now: Instant::now(),
            last: 0,
            ready: Vec::new(),
        }
    }

    /// Opens a connection.
    pub(crate) fn open(&mut self) -> ConnectionId {
        self.last += 1;
        let id = ConnectionId(self.last);
        self.lines.insert(
            id,
            Line {
                codec: Codec::new(self.state.limits()),
                input: BytesMut::new(),
                output: BytesMut::new(),
                accepted: false,
                receipts: VecDeque::new(),
            },
        );
        id
    }

    /// Hands bytes of a client to the broker. A connection that has to close is gone after it;
    /// what it would have read last is given back.
    pub(crate) fn feed(&mut self, id: ConnectionId, bytes: &[u8]) -> Option<BytesMut> {
        self.lines.get_mut(&id)?.input.extend_from_slice(bytes);
        loop {
            let line = self.lines.get_mut(&id)?;
            let step = match line.codec.decode(&mut line.input) {
                Ok(None) => return None,
                Ok(Some(packet)) => self.take(id, packet),
                Err(violation) => Err(violation),
            };
            match step {
                Ok(None) => {}
                Ok(Some(how)) => return self.close(id, how),
                Err(violation) => {
                    let line = self.lines.get_mut(&id)?;
                    line.codec.farewell(&violation, line.accepted, &mut line.output);
                    return self.close(id, Closed::Abnormal);
                }
            }
        }
    }

    /// Ends a connection; its unacknowledged publishes are acknowledged all the same, as they are
    /// when a commit comes after the connection broke.
    pub(crate) fn close(&mut self, id: ConnectionId, how: Closed) -> Option<BytesMut> {
        let line = self.lines.remove(&id)?;
        let wills = self.state.closed(id, how, self.now);
        self.release(wills);
        for (receipt, reason) in line.receipts {
            self.state.acknowledge(&receipt, reason);
        }
        Some(line.output)
    }

    fn release(&mut self, wills: Vec<Will>) {
        for will in wills {
            self.state.publish(&Arc::new(will.message), false);
        }
    }

    fn take(&mut self, id: ConnectionId, packet: Packet) -> Result<Option<Closed>, Violation> {
        let Some(line) = self.lines.get_mut(&id) else { return Ok(None) };
        if !line.accepted {
            let Packet::Connect(connect) = packet else { return Ok(Some(Closed::Abnormal)) };
            let Some(version) = line.codec.version() else { return Ok(Some(Closed::Abnormal)) };
            // Whoever gives a name is its owner: nothing is proved here.
            let owner: Arc<str> = connect.username.as_deref().unwrap_or("local").into();
            match self.state.connect(id, version, &connect, &owner, self.now) {
                Err(connack) => {
                    line.codec.encode(connack, &mut line.output);
                    return Ok(Some(Closed::Abnormal));
                }
                Ok(accepted) => {
                    line.accepted = true;
                    line.codec.encode(accepted.connack, &mut line.output);
                    if let Some(old) = accepted.taken_over {
                        self.close(old, Closed::Abnormal);
                    }
                    self.release(accepted.wills);
                }
            }
            return Ok(None);
        }
        match packet {
            Packet::Publish(mut publish) => {
                let (receipt, reason) = match self.state.inbound(id, &mut publish)? {
                    Inbound::Fresh(receipt) => {
                        self.state.route(Some(id), &publish, self.now);
                        (receipt, PublishAckReason::Success)
                    }
                    Inbound::Duplicate(receipt) => (receipt, PublishAckReason::Success),
                    Inbound::Refused(receipt, reason) => (receipt, reason),
                };
                if let (Some(receipt), Some(line)) = (receipt, self.lines.get_mut(&id)) {
                    line.receipts.push_back((receipt, reason));
                }
            }
            Packet::Subscribe(subscribe) => {
                let answer = self
                    .state
                    .subscribe(id, &subscribe, |filter| !filter.as_str().starts_with("secret"))?;
                self.send(id, answer);
            }
            other => match self.state.packet(id, other)? {
                Outcome::Nothing => {}
                Outcome::Send(packet) => self.send(id, packet),
                Outcome::Close(how) => return Ok(Some(how)),
            },
        }
        Ok(None)
    }

    fn send(&mut self, id: ConnectionId, packet: Packet) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.codec.encode(packet, &mut line.output);
        }
    }

    /// Acknowledges up to `most` of a connection's publishes, in order.
    pub(crate) fn acknowledge(&mut self, id: ConnectionId, most: usize) {
        for _ in 0..most {
            let Some(line) = self.lines.get_mut(&id) else { return };
            let Some((receipt, reason)) = line.receipts.pop_front() else { return };
            if let Some(packet) = self.state.acknowledge(&receipt, reason) {
                self.send(id, packet);
            }
        }
    }

    /// Writes to every connection for which there is something; one that was not named gets
    /// nothing, as with sockets.
    pub(crate) fn write(&mut self) {
        loop {
            let mut ready = std::mem::take(&mut self.ready);
            self.state.take_ready(&mut ready);
            if ready.is_empty() {
                return;
            }
            for id in ready.drain(..) {
                let Some(line) = self.lines.get_mut(&id) else { continue };
                let mut chunk = BytesMut::new();
                while self.state.next(id, &mut line.codec, CHUNK, &mut chunk, self.now) {
                    line.output.extend_from_slice(&chunk);
                    chunk.clear();
                }
                line.output.extend_from_slice(&chunk);
            }
            self.ready = ready;
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        let wills = self.state.tick(self.now);
        self.release(wills);
    }

    /// Checks that no bound is exceeded and that the sums are those of their parts.
    ///
    /// # Panics
    /// One is.
    pub(crate) fn check(&self) {
        let limits = self.state.limits();
        let counts = self.state.counts();
        assert!(counts.connections <= limits.clients, "more connections than are allowed");
        assert!(counts.sessions <= limits.sessions, "more sessions than are allowed");
        assert!(counts.subscriptions <= limits.subscriptions, "more subscriptions than allowed");
        assert!(counts.retained <= limits.retained, "more retained messages than are allowed");
        assert!(counts.retained_bytes <= limits.retained_bytes, "they occupy more than allowed");
        assert!(counts.queued_bytes <= limits.queued_bytes, "queues occupy more than is allowed");
        assert!(counts.unreleased <= limits.unreleased, "more are unreleased than may be");
        self.state.check();
    }
}

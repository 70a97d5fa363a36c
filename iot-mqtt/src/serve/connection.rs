//! One client's connection: reads, hands what it read to the broker, writes what waits for it, and
//! acknowledges in the order of the publishes, readings once they are on disk.
//!
//! - In: bytes of one client
//! - Out: acknowledgements and messages to it
//! - Bound: 4,096 publishes that are not acknowledged, 256 KiB not taken by the client
//! - When full: its socket is not read until there is room
//! - Counter: `published_in`, `published_out` of the broker's figures

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use iot_core::domain::{Batch, Home};
use iot_core::gateway::Inlet;
use iot_core::ledger::Refusal;
use rmqtt_codec::types::Publish;
use rmqtt_codec::v5::{DisconnectReasonCode, Packet, PublishAckReason};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::greeting::{Greeted, greet, part};
use super::owed::Owed;
use super::pace::Pace;
use crate::broker::codec::Codec;
use crate::broker::hub::KIND;
use crate::broker::receive::{Inbound, Outcome};
use crate::broker::rights::Client;
use crate::broker::session::{ConnectionId, Receipt};
use crate::broker::sort::Sorter;
use crate::broker::state::Closed;
use crate::broker::violation::Violation;
use crate::broker::{Hub, Seat};

/// The most publishes that are not acknowledged before the socket is left unread.
const UNACKNOWLEDGED: usize = 4_096;
/// More than this is not gathered for a client that does not take it.
const UNTAKEN: usize = 256 << 10;
/// The first and the largest room for one read.
const ROOM: usize = 4 << 10;
const MOST_ROOM: usize = 64 << 10;
/// A client that takes nothing for so long is not there.
const STUCK: Duration = Duration::from_secs(30);
/// How often a token is asked for again.
const STILL: Duration = Duration::from_secs(10);
/// What was read when the gateway stops has so long to reach the disk.
const LAST: Duration = Duration::from_millis(1_000);

/// Serves a connection until it ends.
pub(super) async fn serve<S>(mut stream: S, hub: Arc<Hub>, here: bool, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let greeted = tokio::select! {
        greeted = greet(&mut stream, &hub, here) => greeted,
        () = stop.cancelled() => return,
    };
    let Some(greeted) = greeted else { return };
    let id = greeted.id;
    // However this ends, be it that the task is aborted, the broker hears of it.
    let mut seated = Seated { hub: hub.clone(), id, how: Closed::Abnormal };
    let mut connection = Connection::new(hub, greeted, here);
    let end = connection.run(&mut stream, stop).await;
    if end == End::Goodbye(Closed::Clean) {
        seated.how = Closed::Clean;
    }
    drop(seated);
    connection.farewell(&end);
    part(&mut stream, &connection.out).await;
}

/// A connection's place in the broker, given back when it ends.
struct Seated {
    hub: Arc<Hub>,
    id: ConnectionId,
    how: Closed,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.hub.closed(self.id, self.how);
    }
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The client said so.
    Goodbye(Closed),
    /// The client is gone.
    Gone,
    /// The client broke the protocol, or what was agreed on.
    Violation(Violation),
    /// The broker ends it, and says why.
    Told(DisconnectReasonCode),
}

struct Connection {
    hub: Arc<Hub>,
    id: ConnectionId,
    seat: Arc<Seat>,
    client: Client,
    codec: Codec,
    inlet: Inlet,
    sorter: Sorter,
    pace: Option<Pace>,
    read: BytesMut,
    room: usize,
    out: BytesMut,
    owed: Owed,
    /// There may be something for the client in its session.
    waiting: bool,
    keep_alive: Option<Duration>,
    heard: Instant,
    /// When the client last took something, where there is something to take.
    took: Instant,
    read_on: Option<Instant>,
}

impl Connection {
    fn new(hub: Arc<Hub>, greeted: Greeted, here: bool) -> Self {
        let Greeted { id, seat, client, mut codec, accepted, read } = greeted;
        let now = Instant::now();
        let mut out = BytesMut::new();
        let keep_alive = u64::from(accepted.keep_alive);
        codec.encode(accepted.connack, &mut out);
        Self {
            inlet: hub.gateway.inlet(Home::MqttListener, KIND),
            pace: (!here).then(|| Pace::new(hub.config.max_rate, now)),
            hub,
            id,
            seat,
            client,
            codec,
            sorter: Sorter::new(),
            read,
            room: ROOM,
            out,
            owed: Owed::default(),
            waiting: true,
            // The protocol's one and a half.
            keep_alive: (keep_alive > 0).then(|| Duration::from_millis(keep_alive * 1_500)),
            heard: now,
            took: now,
            read_on: None,
        }
    }

    async fn run<S>(&mut self, stream: &mut S, stop: CancellationToken) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        // What came with the CONNECT.
        if let Err(end) = self.take_in() {
            return end;
        }
        let mut still = tokio::time::interval_at(Instant::now() + STILL, STILL);
        let signed_in = self.client.signed_in();
        loop {
            if self.waiting && self.out.len() < UNTAKEN {
                let (id, codec, out) = (self.id, &mut self.codec, &mut self.out);
                let now = Instant::now();
                self.waiting = self.hub.with(|state| state.next(id, codec, UNTAKEN, out, now));
            }
            let now = Instant::now();
            if self.read_on.is_some_and(|on| on <= now) {
                self.read_on = None;
            }
            let may_read = self.owed.receipts() < UNACKNOWLEDGED
                && !self.owed.held_up()
                && self.out.len() < UNTAKEN
                && self.read_on.is_none();
            if may_read && self.read.capacity() - self.read.len() < self.room {
                self.read.reserve(self.room);
            }
            if !may_read {
                // While its socket is left unread it cannot be heard, and is not missed.
                self.heard = now;
            }
            let (out, owed, read, seat) =
                (&mut self.out, &mut self.owed, &mut self.read, &self.seat);
            let writes = !out.is_empty();
            let deadline = deadline(self.keep_alive.map(|k| self.heard + k), writes, self.took);
            let deadline = self.read_on.map_or(deadline, |on| deadline.min(on));
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    return self.stopping(&mut writer).await;
                }
                moved = owed.moved() => match moved {
                    Ok(()) => self.acknowledge(),
                    Err(_) => return End::Told(DisconnectReasonCode::ServerShuttingDown),
                },
                written = writer.write_buf(out), if writes => match written {
                    Ok(1..) => {
                        self.took = Instant::now();
                        release(&mut self.out);
                    }
                    Ok(0) | Err(_) => return End::Gone,
                },
                () = seat.wake.notified() => {
                    if self.seat.taken.get().is_some() {
                        return End::Told(DisconnectReasonCode::SessionTakenOver);
                    }
                    self.waiting = true;
                }
                got = reader.read_buf(read), if may_read => match got {
                    Ok(n @ 1..) => {
                        self.heard = Instant::now();
                        self.fit(n);
                        if let Err(end) = self.take_in() {
                            return end;
                        }
                    }
                    Ok(0) | Err(_) => return End::Gone,
                },
                () = tokio::time::sleep_until(deadline) => {
                    if let Some(end) = self.overdue(may_read) {
                        return end;
                    }
                }
                _ = still.tick(), if signed_in => {
                    if !self.client.still().await {
                        return End::Told(DisconnectReasonCode::NotAuthorized);
                    }
                }
            }
            if !writes {
                self.took = Instant::now();
            }
        }
    }

    /// Room for the next read: what a client sends at once is read at once, and an idle client
    /// costs little.
    fn fit(&mut self, got: usize) {
        if got >= self.room {
            self.room = (self.room * 2).min(MOST_ROOM);
        } else if got < self.room / 4 {
            self.room = (self.room / 2).max(ROOM);
        }
    }

    /// Whether the client is gone; it can only be heard while its socket is read.
    fn overdue(&self, reads: bool) -> Option<End> {
        let now = Instant::now();
        if !self.out.is_empty() && now >= self.took + STUCK {
            tracing::debug!("a client takes nothing that is sent to it");
            return Some(End::Gone);
        }
        let unheard = self.keep_alive.is_some_and(|k| now >= self.heard + k);
        (unheard && reads).then_some(End::Told(DisconnectReasonCode::KeepAliveTimeout))
    }

    /// Hands over what was read.
    fn take_in(&mut self) -> Result<(), End> {
        let mut packets = Vec::new();
        let mut end = None;
        loop {
            match self.codec.decode(&mut self.read) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(violation) => {
                    // What came before it counts.
                    end = Some(End::Violation(violation));
                    break;
                }
            }
        }
        if self.read.is_empty() {
            release(&mut self.read);
        }
        if packets.is_empty() {
            return end.map_or(Ok(()), Err);
        }
        let mut publishes = Vec::new();
        let step = self.step(packets, &mut publishes);
        let receipts = self.sort(&publishes);
        let batch = std::mem::take(&mut self.sorter.batch);
        self.hand_over(batch, receipts);
        step?;
        end.map_or(Ok(()), Err)
    }

    /// The protocol's part, under the broker's lock; publishes are left for after it.
    fn step(
        &mut self,
        packets: Vec<Packet>,
        publishes: &mut Vec<(Publish, Inbound)>,
    ) -> Result<(), End> {
        let (id, codec, out, client) = (self.id, &mut self.codec, &mut self.out, &self.client);
        self.hub.with(|state| {
            for packet in packets {
                match packet {
                    Packet::Publish(mut publish) => {
                        let inbound = state.inbound(id, &mut publish).map_err(End::Violation)?;
                        publishes.push((*publish, inbound));
                    }
                    Packet::Subscribe(subscribe) => {
                        let allowed = |filter: &_| client.may_subscribe(filter);
                        let ack = state.subscribe(id, &subscribe, allowed);
                        codec.encode(ack.map_err(End::Violation)?, out);
                    }
                    other => match state.packet(id, other).map_err(End::Violation)? {
                        Outcome::Nothing => {}
                        Outcome::Send(packet) => codec.encode(packet, out),
                        Outcome::Close(how) => return Err(End::Goodbye(how)),
                    },
                }
            }
            Ok(())
        })
    }

    /// The gateway's part: readings are gathered, what others listen to is routed.
    fn sort(&mut self, publishes: &[(Publish, Inbound)]) -> Vec<(Receipt, PublishAckReason)> {
        if publishes.is_empty() {
            return Vec::new();
        }
        let count = u32::try_from(publishes.len()).unwrap_or(u32::MAX);
        self.hub.count_in(u64::from(count));
        if let Some(pace) = &mut self.pace {
            self.read_on = pace.sent(count, Instant::now());
        }
        let mut receipts = Vec::with_capacity(publishes.len());
        let mut routed: Vec<&Publish> = Vec::new();
        for (publish, inbound) in publishes {
            match inbound {
                Inbound::Fresh(receipt) => {
                    let fate = self.sorter.sort(&self.hub, &self.inlet, &self.client, publish);
                    receipts.extend(receipt.map(|receipt| (receipt, fate.reason)));
                    if fate.routed && (publish.retain || self.hub.anyone_subscribed()) {
                        routed.push(publish);
                    }
                }
                Inbound::Duplicate(receipt) => {
                    receipts.extend(receipt.map(|receipt| (receipt, PublishAckReason::Success)));
                }
                Inbound::Refused(receipt, reason) => {
                    self.hub.refuse(&publish.topic, refusal(*reason), &publish.payload);
                    receipts.extend(receipt.map(|receipt| (receipt, *reason)));
                }
            }
        }
        if !routed.is_empty() {
            let (id, now) = (self.id, Instant::now());
            let sessions: usize = self.hub.with(|state| {
                routed.iter().map(|publish| state.route(Some(id), publish, now).sessions).sum()
            });
            self.hub.count_out(sessions as u64);
        }
        receipts
    }

    /// Hands readings to intake, and keeps their senders' receipts until they are on disk.
    fn hand_over(&mut self, batch: Batch, receipts: Vec<(Receipt, PublishAckReason)>) {
        let waits = std::mem::take(&mut self.sorter.waits);
        if waits && !batch.is_empty() {
            self.owed.after_commit(&self.inlet, batch, receipts);
        } else {
            self.hub.emit(&self.inlet, batch);
            self.owed.at_once(receipts);
        }
        self.acknowledge();
    }

    /// Writes the acknowledgements that wait for nothing any more.
    fn acknowledge(&mut self) {
        let due = self.owed.due();
        if due.is_empty() {
            return;
        }
        let (codec, out) = (&mut self.codec, &mut self.out);
        self.hub.with(|state| {
            for (receipt, reason) in &due {
                if let Some(packet) = state.acknowledge(receipt, *reason) {
                    codec.encode(packet, out);
                }
            }
        });
    }

    /// The gateway stops: what was read reaches the disk and is acknowledged, if that is soon.
    async fn stopping<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) -> End {
        let last = async {
            while self.owed.receipts() > 0 && self.owed.moved().await.is_ok() {
                self.acknowledge();
            }
            while self.out.has_remaining() {
                if writer.write_buf(&mut self.out).await.is_err() {
                    break;
                }
            }
        };
        // What is not acknowledged then is sent again, to the next start.
        drop(tokio::time::timeout(LAST, last).await);
        End::Told(DisconnectReasonCode::ServerShuttingDown)
    }

    /// The last words, for a client that hears them.
    fn farewell(&mut self, end: &End) {
        match end {
            End::Goodbye(_) | End::Gone => self.out.clear(),
            End::Violation(violation) => {
                tracing::debug!(%violation, "a client's connection is closed");
                if violation.reason == DisconnectReasonCode::PacketTooLarge {
                    // Its header alone was read: neither topic nor payload is known.
                    self.hub.refuse("", Refusal::Oversized, b"");
                }
                self.codec.farewell(violation, true, &mut self.out);
            }
            End::Told(reason) => {
                let told = Violation::new(*reason, "the broker ends the connection");
                self.codec.farewell(&told, true, &mut self.out);
            }
        }
    }
}

/// When to look whether the client is still there.
fn deadline(keep_alive: Option<Instant>, writes: bool, took: Instant) -> Instant {
    let stuck = writes.then(|| took + STUCK);
    let far = || Instant::now() + Duration::from_secs(3_600);
    [keep_alive, stuck].into_iter().flatten().min().unwrap_or_else(far)
}

/// Gives a buffer's memory back once it is empty and was large.
fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > MOST_ROOM {
        *buffer = BytesMut::new();
    }
}

fn refusal(reason: PublishAckReason) -> Refusal {
    match reason {
        PublishAckReason::QuotaExceeded => Refusal::Oversized,
        PublishAckReason::TopicNameInvalid => Refusal::BadName,
        _ => Refusal::NotAllowed,
    }
}

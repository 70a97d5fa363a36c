//! As many messages of QoS 1 as a broker acknowledges, for benchmarks.
//!
//! The client must cost less than the broker: messages are written into one buffer by hand, in a
//! batch for each write, and answers are read without taking packets apart.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::Interest;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::client::{Client, WITHIN};
use super::connect::Version;
use super::error::ClientError;

/// A batch is written when it has so many bytes, or when no more may be in flight.
const BATCH: usize = 64 * 1024;

/// How much is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// At most so many messages.
    pub messages: u64,
    /// And none after this time.
    pub lasting: Option<Duration>,
    /// At most so many unanswered at any time.
    pub in_flight: u16,
}

impl Load {
    /// So many messages, however long it takes.
    #[must_use]
    pub fn messages(messages: u64, in_flight: u16) -> Self {
        Self { messages, lasting: None, in_flight }
    }

    /// As many messages as go in this time.
    #[must_use]
    pub fn lasting(time: Duration, in_flight: u16) -> Self {
        Self { messages: u64::MAX, lasting: Some(time), in_flight }
    }
}

/// The next message, in buffers that are used again: both are empty when it is asked for.
#[derive(Debug, Default)]
pub struct Publication {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
}

/// What a broker made of a [`Load`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flood {
    /// Messages sent.
    pub sent: u64,
    /// Messages acknowledged; less than sent only where a reason code said no.
    pub acknowledged: u64,
    /// Messages answered by a reason code from 0x80 on.
    pub refused: u64,
    /// From the first message to the last answer.
    pub took: Duration,
}

impl Flood {
    /// Acknowledgements a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Client {
    /// Publishes what `make` says for 0, 1, 2 and so on, at QoS 1, and waits for all answers. What
    /// else comes is dropped unanswered: a flooding client has no subscriptions.
    ///
    /// # Errors
    ///
    /// When the connection ends, an answer is to no question, or none comes for half a minute.
    pub async fn flood(
        &mut self,
        load: Load,
        mut make: impl FnMut(u64, &mut Publication),
    ) -> Result<Flood, ClientError> {
        let start = Instant::now();
        let last_start = load.lasting.map(|time| start + time);
        let mut window = Window::default();
        let mut flood = Flood::default();
        let mut publication = Publication::default();
        loop {
            let may_start =
                flood.sent < load.messages && last_start.is_none_or(|last| Instant::now() < last);
            if may_start && self.outward.len() < BATCH {
                while window.open < usize::from(load.in_flight)
                    && flood.sent < load.messages
                    && self.outward.len() < BATCH
                {
                    publication.topic.clear();
                    publication.payload.clear();
                    make(flood.sent, &mut publication);
                    put_publish(&mut self.outward, self.version, &publication, window.next()?)?;
                    flood.sent += 1;
                }
            } else if window.open == 0 && self.outward.is_empty() {
                break;
            }
            self.exchange().await?;
            self.count_answers(&mut window, &mut flood)?;
        }
        flood.took = start.elapsed();
        Ok(flood)
    }

    /// Writes and reads what goes now; waits where nothing does.
    async fn exchange(&mut self) -> Result<(), ClientError> {
        let interest = if self.outward.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let ready = timeout(WITHIN, self.stream.ready(interest))
            .await
            .map_err(|_| ClientError::TimedOut { what: "an answer", waited: WITHIN })??;
        if ready.is_writable() && !self.outward.is_empty() {
            match self.stream.try_write(&self.outward) {
                Ok(written) => self.outward.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if ready.is_readable() {
            self.inward.reserve(BATCH);
            match self.stream.try_read_buf(&mut self.inward) {
                Ok(0) => return Err(ClientError::Closed(None)),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn count_answers(&mut self, window: &mut Window, flood: &mut Flood) -> Result<(), ClientError> {
        while let Some((kind, head, length)) = frame(&self.inward)? {
            let body = &self.inward[head..head + length];
            match (kind, body) {
                (0x40, [high, low, rest @ ..]) => {
                    window.close(u16::from_be_bytes([*high, *low]))?;
                    match rest.first() {
                        Some(0x80..) => flood.refused += 1,
                        _ => flood.acknowledged += 1,
                    }
                }
                (0xe0, body) => return Err(ClientError::Closed(body.first().copied())),
                _ => {}
            }
            self.inward.advance(head + length);
        }
        Ok(())
    }
}

/// [`Client::flood`] on many connections at once, each with a load of its own; `make` is told which.
///
/// # Errors
///
/// When one of them fails.
pub async fn flood_many(
    clients: Vec<Client>,
    load: Load,
    make: impl Fn(usize, u64, &mut Publication) + Send + Sync + 'static,
) -> Result<Flood, ClientError> {
    let start = Instant::now();
    let make = Arc::new(make);
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let make = Arc::clone(&make);
        tasks.spawn(async move {
            client.flood(load, |n, publication| make(number, n, publication)).await
        });
    }
    let mut all = Flood::default();
    while let Some(ended) = tasks.join_next().await {
        let one = ended.map_err(std::io::Error::from)??;
        all.sent += one.sent;
        all.acknowledged += one.acknowledged;
        all.refused += one.refused;
    }
    all.took = start.elapsed();
    Ok(all)
}

/// The packet ids that wait for an answer.
struct Window {
    waiting: Vec<bool>,
    last: u16,
    open: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { waiting: vec![false; usize::from(u16::MAX) + 1], last: 0, open: 0 }
    }
}

impl Window {
    fn next(&mut self) -> Result<u16, ClientError> {
        if self.open >= usize::from(u16::MAX) {
            return Err(ClientError::Unsendable("all packet ids are in use".to_owned()));
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            let waiting = &mut self.waiting[usize::from(self.last)];
            if !*waiting {
                *waiting = true;
                self.open += 1;
                return Ok(self.last);
            }
        }
    }

    fn close(&mut self, id: u16) -> Result<(), ClientError> {
        if !std::mem::take(&mut self.waiting[usize::from(id)]) {
            return Err(ClientError::Protocol(format!("PUBACK of {id}, which waits for none")));
        }
        self.open -= 1;
        Ok(())
    }
}

/// Writes a PUBLISH of QoS 1.
fn put_publish(
    buffer: &mut BytesMut,
    version: Version,
    Publication { topic, payload }: &Publication,
    id: u16,
) -> Result<(), ClientError> {
    let too_long = |what: &str| ClientError::Unsendable(format!("the {what} is too long"));
    let topic_length = u16::try_from(topic.len()).map_err(|_| too_long("topic"))?;
    let properties = usize::from(version == Version::V5);
    let mut length = u32::try_from(2 + topic.len() + 2 + properties + payload.len())
        .ok()
        .filter(|length| *length < 1 << 28)
        .ok_or_else(|| too_long("payload"))?;
    buffer.put_u8(0x32);
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            buffer.put_u8(low);
            break;
        }
        buffer.put_u8(low | 0x80);
    }
    buffer.put_u16(topic_length);
    buffer.put_slice(topic.as_bytes());
    buffer.put_u16(id);
    buffer.put_bytes(0, properties);
    buffer.put_slice(payload);
    Ok(())
}

/// The first packet in `bytes`: its kind, and the lengths of its head and its body.
fn frame(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, ClientError> {
    let mut length = 0;
    for at in 1..5 {
        let Some(byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let whole = bytes.len() > at + length;
            return Ok(whole.then_some((bytes[0] & 0xf0, at + 1, length)));
        }
    }
    Err(ClientError::Protocol("a length of five bytes".to_owned()))
}

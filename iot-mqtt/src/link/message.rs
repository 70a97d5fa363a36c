//! A message on its way to a broker, and what becomes of it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// A message to publish, at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// Its topic, with the link's prefix.
    pub(crate) topic: String,
    /// What it says.
    pub(crate) payload: Bytes,
    /// Whether the broker keeps it for those who come later.
    pub(crate) retain: bool,
    /// User properties, which MQTT 5 carries.
    pub(crate) user: Vec<(&'static str, String)>,
    /// What an asker gave to find the answer by, which MQTT 5 carries.
    pub(crate) correlation: Option<Bytes>,
}

impl Message {
    /// The most bytes that its packet takes, in either version of the protocol.
    pub(crate) fn size(&self) -> usize {
        // The fixed header, the lengths of topic and properties, the packet id.
        const AROUND: usize = 5 + 2 + 2 + 4;
        let user: usize = self.user.iter().map(|(key, value)| 5 + key.len() + value.len()).sum();
        let correlation = self.correlation.as_ref().map_or(0, |data| 3 + data.len());
        AROUND + self.topic.len() + self.payload.len() + user + correlation
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The other side has it.
    Acknowledged,
    /// The other side does not take this one, and why; it would not take it again.
    Refused(String),
    /// The session ended before it was answered.
    Lost,
}

/// What becomes of a message that was handed over.
pub(crate) type Answered = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The session is over; what was not answered is published again in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// Where messages go: a session with a broker, or the embedded broker.
pub(crate) trait Outlet: Send + Sync {
    /// Whether anybody would get what is published now; if not, it is passed over unread.
    fn wanted(&self) -> bool {
        true
    }

    /// The largest packet that the other side takes, in bytes.
    fn largest(&self) -> usize;

    /// Hands a message over, in order; waits while the way is full. Dropped before it answers, it
    /// has handed over nothing.
    fn publish(&self, message: &Message) -> impl Future<Output = Result<Answered, Lost>> + Send;
}

//! The newest messages that a door refused, so that a person can see what a device sends wrongly.
//!
//! - In: messages that were malformed, too large or not allowed, from the doors that take messages
//! - Out: `GET diagnostics/refused`
//! - Bound: 100 messages, of each the first 256 bytes of its topic and payload
//! - When full: the oldest goes
//! - Counter: `iot_readings_refused_total`, by reason; a message counts as one reading

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::domain::Timestamp;
use crate::ledger::Refusal;

/// The most messages that are kept.
const MESSAGES: usize = 100;
/// The most that is kept of a topic and of a payload, each.
const BYTES: usize = 256;

/// A message that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedMessage {
    /// Its number among those refused since the start; the first has 1.
    #[serde(skip)]
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// By which way it came, as a home is spelled: `listener:mqtt`, `link:up`.
    pub door: String,
    /// Its topic, cut at 256 bytes.
    pub topic: String,
    /// Why it was refused.
    pub reason: Refusal,
    /// The first 256 bytes of its payload; what is no UTF-8 is shown as U+FFFD.
    pub payload: String,
}

impl RefusedMessage {
    pub(crate) fn new(
        at: Timestamp,
        door: &str,
        topic: &str,
        reason: Refusal,
        payload: &[u8],
    ) -> Self {
        let door = cut(door.as_bytes());
        let topic = cut(topic.as_bytes());
        Self { number: 0, at, door, topic, reason, payload: cut(payload) }
    }
}

/// The beginning of some bytes as text. A character is not cut in two.
fn cut(bytes: &[u8]) -> String {
    let mut end = bytes.len().min(BYTES);
    let is_inside = |end: usize| bytes.get(end).is_some_and(|byte| byte & 0xC0 == 0x80);
    // A character has at most three bytes after its first; more are no UTF-8 anyway.
    while is_inside(end) && end + 3 > BYTES {
        end -= 1;
    }
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The newest refused messages.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<RefusedMessage>,
    newest: u64,
}

impl Refused {
    /// Keeps a message; the oldest goes where there are too many.
    pub(crate) fn keep(&self, message: RefusedMessage) {
        let mut ring = self.lock();
        let gone = if ring.kept.len() == MESSAGES { ring.kept.pop_front() } else { None };
        ring.newest += 1;
        let number = ring.newest;
        ring.kept.push_back(RefusedMessage { number, ..message });
        drop(ring);
        // Freed outside the lock.
        drop(gone);
    }

    /// All that are kept, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<RefusedMessage> {
        self.lock().kept.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(topic: &str, payload: &[u8]) -> RefusedMessage {
        let at = Timestamp::from_millis(0);
        RefusedMessage::new(at, "listener:mqtt", topic, Refusal::Malformed, payload)
    }

    #[test]
    fn the_newest_are_kept_and_the_oldest_goes() {
        let ring = Refused::default();
        for n in 0..MESSAGES + 7 {
            ring.keep(refused(&n.to_string(), b""));
        }
        let all = ring.newest_first();
        assert_eq!(all.len(), MESSAGES);
        assert_eq!((all[0].topic.as_str(), all[MESSAGES - 1].topic.as_str()), ("106", "7"));
        assert_eq!((all[0].number, all[MESSAGES - 1].number), (107, 8));
    }

    #[test]
    fn what_is_kept_of_a_message_is_short_text_whatever_it_holds() {
        let long = refused(&"t".repeat(65_535), &[b'x'; 1 << 20]);
        assert_eq!((long.topic.len(), long.payload.len()), (BYTES, BYTES));
        let whole = refused("t", "é".repeat(BYTES).as_bytes());
        assert_eq!(whole.payload, "é".repeat(BYTES / 2));
        let odd = refused("t", format!("x{}", "é".repeat(BYTES)).as_bytes());
        assert_eq!(odd.payload, format!("x{}", "é".repeat(BYTES / 2 - 1)), "no half a character");
        let garbage = refused("t", &[0x80; 1000]);
        assert!(garbage.payload.chars().all(|c| c == '\u{FFFD}'), "{}", garbage.payload);
        assert!(garbage.payload.len() <= 3 * BYTES);
        assert_eq!(refused("t", b"\xff{").payload, "\u{FFFD}{");
    }
}

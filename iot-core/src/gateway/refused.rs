//! What a door says of messages that it did not take in.

use super::handle::Handle;
use crate::ledger::Refusal;
use crate::pipeline::RefusedMessage;

impl Handle {
    /// Counts a refused message as one reading, and keeps the beginning of it for a while, so that
    /// a person can see what was wrong. The door is spelled as a home is: `listener:mqtt`.
    pub fn refuse(&self, door: &str, topic: &str, why: Refusal, payload: &[u8]) {
        self.count_refused(why, 1);
        let at = self.clock().wall;
        self.shared.refused.keep(RefusedMessage::new(at, door, topic, why, payload));
    }

    /// Counts readings that were refused, and keeps nothing of them.
    pub fn count_refused(&self, why: Refusal, readings: u64) {
        self.shared.ledger.refuse(why, readings);
    }

    /// The newest refused messages, at most 100, the newest first.
    #[must_use]
    pub fn refused(&self) -> Vec<RefusedMessage> {
        self.shared.refused.newest_first()
    }
}

//! What is on its way to one client: waiting, sent and not acknowledged, and half done with QoS 2.
//!
//! The order of sending is the order of routing. What was sent on a connection that broke is sent
//! again on the next one, first and in its old order, with its packet id and the mark for repeated.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU16;

use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::limits::{Dropped, Limits};
use super::message::Delivery;
use super::retained::{Retained, Scan, Step};

/// The room for messages that a session keeps when it has none: one burst is not to cost for ever.
const ROOM: usize = 64;

#[derive(Debug)]
struct Sent {
    id: NonZeroU16,
    delivery: Delivery,
}

/// What is on its way to one client.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Subscriptions that still read what is retained; theirs goes before the queue.
    scans: VecDeque<Scan>,
    queue: VecDeque<Delivery>,
    /// How many in the queue have QoS 0.
    unassured: usize,
    /// Sent with QoS 1 or 2 and unanswered, in order.
    sent: VecDeque<Sent>,
    /// How many of these, from the first, were sent on this connection.
    sent_here: usize,
    /// QoS 2: received by the client and not yet known to be released, in order.
    released: VecDeque<NonZeroU16>,
    released_here: usize,
    ids: HashSet<NonZeroU16>,
    last_id: u16,
    /// What queue and sent messages occupy.
    bytes: usize,
    /// What those sent do.
    sent_bytes: usize,
}

/// The next thing for the connection.
#[derive(Debug)]
pub(crate) enum Pull {
    /// A PUBREL to repeat.
    Release(NonZeroU16),
    /// The message at this place of those sent, to be repeated.
    Again(usize),
    /// A message that is new to the client.
    New(Delivery),
    /// Much was looked at for nothing: come again.
    Pause,
    /// Nothing, until more is routed or acknowledged.
    Nothing,
}

impl Outgoing {
    /// How many messages wait or are unanswered.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.sent.len()
    }

    /// What they occupy, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were sent and are not done with.
    #[must_use]
    pub(crate) fn inflight(&self) -> usize {
        self.sent.len() + self.released.len()
    }

    /// Checks that the sums are those of their parts and no packet id is used twice.
    ///
    /// # Panics
    /// They are not.
    pub(crate) fn check(&self, limits: &Limits) {
        let queue: usize = self.queue.iter().map(|d| d.message.cost()).sum();
        let sent: usize = self.sent.iter().map(|s| s.delivery.message.cost()).sum();
        assert_eq!(self.bytes, queue + sent, "bytes");
        assert_eq!(self.sent_bytes, sent, "bytes sent");
        let unassured = self.queue.iter().filter(|d| d.qos == QoS::AtMostOnce).count();
        assert_eq!(self.unassured, unassured, "messages of QoS 0");
        let ids: HashSet<NonZeroU16> =
            self.sent.iter().map(|s| s.id).chain(self.released.iter().copied()).collect();
        assert_eq!(ids.len(), self.inflight(), "a packet id is used twice");
        assert_eq!(ids, self.ids, "packet ids");
        assert!(self.sent_here <= self.sent.len(), "sent on this connection");
        assert!(self.released_here <= self.released.len(), "released on this connection");
        assert!(self.queue.len() <= limits.queue, "more wait than may");
        assert!(queue <= limits.queue_bytes, "they occupy more than they may");
    }

    /// Whether something is to be sent, the window allowing.
    #[must_use]
    pub(crate) fn waiting(&self) -> bool {
        !self.queue.is_empty()
            || !self.scans.is_empty()
            || self.sent_here < self.sent.len()
            || self.released_here < self.released.len()
    }

    /// Whether something can be sent for certain.
    pub(crate) fn sendable(&self, window: usize, limits: &Limits) -> bool {
        self.waiting() && self.inflight() < window && self.sent_bytes < limits.queue_bytes
    }

    /// Puts a message in the queue. Where there is no room, the oldest of QoS 0 make it for one of
    /// higher QoS; else the new one is dropped. `others` is what all other queues occupy.
    pub(crate) fn push(
        &mut self,
        delivery: Delivery,
        limits: &Limits,
        others: usize,
        dropped: &mut Dropped,
    ) -> bool {
        let cost = delivery.message.cost();
        loop {
            let own = self.len() < limits.queue && self.bytes + cost <= limits.queue_bytes;
            let all = self.bytes + others + cost <= limits.queued_bytes;
            if own && all {
                break;
            }
            let count = if own { &mut dropped.memory_full } else { &mut dropped.queue_full };
            *count += 1;
            if delivery.qos == QoS::AtMostOnce || !self.shed() {
                return false;
            }
        }
        self.bytes += cost;
        self.unassured += usize::from(delivery.qos == QoS::AtMostOnce);
        self.queue.push_back(delivery);
        true
    }

    /// Drops the oldest waiting message of QoS 0.
    fn shed(&mut self) -> bool {
        if self.unassured == 0 {
            return false;
        }
        let oldest = self.queue.iter().position(|d| d.qos == QoS::AtMostOnce);
        let Some(shed) = oldest.and_then(|at| self.queue.remove(at)) else { return false };
        self.unassured -= 1;
        self.bytes -= shed.message.cost();
        true
    }

    /// Reads out what is retained for a subscription, in place of what it may still be reading.
    pub(crate) fn begin(&mut self, scan: Scan) {
        self.forget(&scan.subscription);
        self.scans.push_back(scan);
    }

    /// Stops reading out what is retained for a subscription.
    pub(crate) fn forget(&mut self, subscription: &str) {
        self.scans.retain(|scan| *scan.subscription != *subscription);
    }

    /// A new connection: everything unanswered is to be sent again.
    pub(crate) fn resume(&mut self) {
        self.sent_here = 0;
        self.released_here = 0;
    }

    /// What can go next, at most `window` messages of QoS 1 and 2 being unanswered. `others` is
    /// what all other queues occupy, `budget` how many retained topics may be looked at.
    pub(crate) fn pull(
        &mut self,
        window: usize,
        (limits, others): (&Limits, usize),
        (retained, budget): (&Retained, &mut usize),
        dropped: &mut Dropped,
        now: Instant,
    ) -> Pull {
        if let Some(id) = self.released.get(self.released_here) {
            self.released_here += 1;
            return Pull::Release(*id);
        }
        let open = self.sent_here + self.released.len() < window;
        if self.sent_here < self.sent.len() {
            if !open {
                return Pull::Nothing;
            }
            self.sent_here += 1;
            return Pull::Again(self.sent_here - 1);
        }
        while let Some(scan) = self.scans.front_mut() {
            let assured = scan.qos != QoS::AtMostOnce;
            if assured && !(open && self.sent_bytes < limits.queue_bytes) {
                return Pull::Nothing;
            }
            match retained.step(scan, budget, now) {
                Step::Done => {
                    self.scans.pop_front();
                }
                Step::Pause => return Pull::Pause,
                Step::Message(message) => {
                    let qos = scan.qos.less_value(message.qos);
                    // It was in no queue, and will be kept until it is answered.
                    let kept = if qos == QoS::AtMostOnce { 0 } else { message.cost() };
                    if kept > 0 && self.bytes + others + kept > limits.queued_bytes {
                        dropped.memory_full += 1;
                        continue;
                    }
                    let ids = scan.id.into_iter().collect();
                    return Pull::New(Delivery { message, qos, retain: true, ids });
                }
            }
        }
        while let Some(next) = self.queue.front() {
            let expired = next.message.expired(now);
            if !expired && next.qos != QoS::AtMostOnce && !open {
                return Pull::Nothing;
            }
            let Some(next) = self.queue.pop_front() else { break };
            self.bytes -= next.message.cost();
            self.unassured -= usize::from(next.qos == QoS::AtMostOnce);
            if !expired {
                return Pull::New(next);
            }
            dropped.expired += 1;
        }
        if self.queue.capacity() > ROOM {
            self.queue.shrink_to(ROOM);
        }
        Pull::Nothing
    }

    /// A packet id that nothing unanswered has. There is one, because fewer than 65,535 are.
    pub(crate) fn take_id(&mut self) -> Option<NonZeroU16> {
        for _ in 0..=self.ids.len() {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = NonZeroU16::new(self.last_id)?;
            if self.ids.insert(id) {
                return Some(id);
            }
        }
        None
    }

    /// Gives back an id under which nothing was sent after all.
    pub(crate) fn return_id(&mut self, id: NonZeroU16) {
        self.ids.remove(&id);
    }

    /// Keeps a message until its answer.
    pub(crate) fn keep(&mut self, id: NonZeroU16, delivery: Delivery) {
        self.bytes += delivery.message.cost();
        self.sent_bytes += delivery.message.cost();
        self.sent.push_back(Sent { id, delivery });
        self.sent_here = self.sent.len();
    }

    /// The message at this place of those sent.
    #[must_use]
    pub(crate) fn at(&self, place: usize) -> Option<(NonZeroU16, &Delivery)> {
        self.sent.get(place).map(|sent| (sent.id, &sent.delivery))
    }

    fn answered(&mut self, id: NonZeroU16, qos: QoS) -> bool {
        let place = self.sent.iter().position(|s| s.id == id && s.delivery.qos == qos);
        let Some(sent) = place.and_then(|at| self.sent.remove(at)) else { return false };
        self.bytes -= sent.delivery.message.cost();
        self.sent_bytes -= sent.delivery.message.cost();
        if place.is_some_and(|at| at < self.sent_here) {
            self.sent_here -= 1;
        }
        if self.sent.is_empty() && self.sent.capacity() > ROOM {
            self.sent.shrink_to(ROOM);
            self.ids.shrink_to(ROOM);
        }
        true
    }

    /// The message at this place can never be sent to this client: it is as good as done.
    pub(crate) fn give_up(&mut self, id: NonZeroU16, qos: QoS) {
        if self.answered(id, qos) {
            self.ids.remove(&id);
        }
    }

    /// PUBACK: says whether there was such a message.
    pub(crate) fn acknowledged(&mut self, id: NonZeroU16) -> bool {
        let known = self.answered(id, QoS::AtLeastOnce);
        if known {
            self.ids.remove(&id);
        }
        known
    }

    /// PUBREC: says whether the message is to be released; a failed one is done with.
    pub(crate) fn received(&mut self, id: NonZeroU16, failed: bool) -> bool {
        if self.answered(id, QoS::ExactlyOnce) {
            if failed {
                self.ids.remove(&id);
                return true;
            }
            // Those before it that wait to be repeated keep their place.
            if self.released_here == self.released.len() {
                self.released_here += 1;
            }
            self.released.push_back(id);
            return true;
        }
        self.released.contains(&id)
    }

    /// PUBCOMP: says whether there was such a message.
    pub(crate) fn completed(&mut self, id: NonZeroU16) -> bool {
        let Some(at) = self.released.iter().position(|r| *r == id) else { return false };
        self.released.remove(at);
        if at < self.released_here {
            self.released_here -= 1;
        }
        self.ids.remove(&id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_id_is_not_given_twice_while_it_is_in_flight() {
        let mut out = Outgoing::default();
        let kept: Vec<NonZeroU16> = (0..3).filter_map(|_| out.take_id()).collect();
        for _ in 0..150_000 {
            let id = out.take_id().unwrap();
            assert!(!kept.contains(&id));
            out.return_id(id);
        }
    }
}

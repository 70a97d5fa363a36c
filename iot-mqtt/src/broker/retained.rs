//! Retained messages: the last of each topic that was published to be kept.
//!
//! A new subscriber's are read out piece by piece, as its connection takes them, so that ten
//! thousand of them need no room in its queue.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::message::Message;
use crate::topic::Filter;

/// What became of a message that was to be retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is the topic's message now.
    Kept,
    /// It was empty: the topic has none now.
    Cleared,
    /// There is no room; what the topic had is gone too, for it is no longer true.
    Full,
}

#[derive(Debug)]
struct Kept {
    message: Arc<Message>,
    version: u64,
    /// The gateway's own, which counts towards no bound.
    own: bool,
}

/// The retained messages of all topics.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    topics: BTreeMap<Box<str>, Kept>,
    expiring: BTreeSet<(Instant, Box<str>)>,
    version: u64,
    bytes: usize,
    /// How many are not the gateway's own.
    foreign: usize,
    foreign_bytes: usize,
}

/// A subscription's reading of what is retained.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) filter: Filter,
    /// The subscription's text, by which it is found when that ends.
    pub(crate) subscription: Box<str>,
    pub(crate) qos: QoS,
    pub(crate) id: Option<NonZeroU32>,
    /// What came later was delivered as it came.
    version: u64,
    /// The topic read last.
    after: Option<Box<str>>,
}

/// What a step of a scan came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message for the subscriber.
    Message(Arc<Message>),
    /// Many were looked at and none matched: go on another time.
    Pause,
    /// There are no more.
    Done,
}

impl Retained {
    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    /// What they occupy, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes a message its topic's, within the bounds unless it is the gateway's own.
    pub(crate) fn store(
        &mut self,
        message: &Arc<Message>,
        own: bool,
        most: usize,
        most_bytes: usize,
    ) -> Stored {
        self.remove(&message.topic);
        if message.payload.is_empty() {
            return Stored::Cleared;
        }
        let cost = message.cost();
        if !own {
            if self.foreign >= most || self.foreign_bytes + cost > most_bytes {
                return Stored::Full;
            }
            self.foreign += 1;
            self.foreign_bytes += cost;
        }
        self.bytes += cost;
        self.version += 1;
        let topic: Box<str> = Box::from(&*message.topic);
        if let Some(at) = message.expires {
            self.expiring.insert((at, topic.clone()));
        }
        let kept = Kept { message: Arc::clone(message), version: self.version, own };
        self.topics.insert(topic, kept);
        Stored::Kept
    }

    fn remove(&mut self, topic: &str) {
        let Some((topic, kept)) = self.topics.remove_entry(topic) else { return };
        let cost = kept.message.cost();
        self.bytes -= cost;
        if !kept.own {
            self.foreign -= 1;
            self.foreign_bytes -= cost;
        }
        if let Some(at) = kept.message.expires {
            self.expiring.remove(&(at, topic));
        }
    }

    /// Removes what has expired; says how many.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut removed = 0;
        while let Some((_, topic)) = self.expiring.first().filter(|(at, _)| *at <= now) {
            let topic = topic.clone();
            self.remove(&topic);
            removed += 1;
        }
        removed
    }

    /// Begins to read what matches a filter, as it is now.
    #[must_use]
    pub(crate) fn scan(
        &self,
        filter: Filter,
        subscription: &str,
        qos: QoS,
        id: Option<NonZeroU32>,
    ) -> Scan {
        let subscription = subscription.into();
        Scan { filter, subscription, qos, id, version: self.version, after: None }
    }

    /// The next message of a scan; `budget` is how many topics may still be looked at.
    pub(crate) fn step(&self, scan: &mut Scan, budget: &mut usize, now: Instant) -> Step {
        let filter = scan.filter.as_str();
        // Everything that matches begins with what stands before the first wildcard, without its
        // slash: `a/#` matches `a` too.
        let wild = filter.find(['+', '#']);
        let prefix = wild.map_or(filter, |at| filter[..at].trim_end_matches('/'));
        let from = match &scan.after {
            Some(after) => Bound::Excluded(&**after),
            None => Bound::Included(prefix),
        };
        for (topic, kept) in self.topics.range::<str, _>((from, Bound::Unbounded)) {
            if !topic.starts_with(prefix) || (wild.is_none() && **topic != *prefix) {
                break;
            }
            let wanted = kept.version <= scan.version
                && !kept.message.expired(now)
                && scan.filter.matches(topic);
            if wanted {
                scan.after = Some(topic.clone());
                return Step::Message(Arc::clone(&kept.message));
            }
            *budget = budget.saturating_sub(1);
            if *budget == 0 {
                scan.after = Some(topic.clone());
                return Step::Pause;
            }
        }
        Step::Done
    }
}

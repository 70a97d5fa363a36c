//! Who gets a message: the filters of all sessions as a tree of levels, so that a publish walks
//! only what can match it.

use std::cell::Cell;
use std::collections::HashMap;
use std::num::NonZeroU32;

use rmqtt_codec::types::QoS;

use super::session::SessionId;
use crate::topic::{Filter, LONGEST, TopicError};

/// A subscription's filter, with its group where it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) filter: Filter,
    pub(crate) group: Option<Box<str>>,
}

/// Why what a client subscribed to cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Its filter is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// `$share/` is not followed by a group and a filter.
    #[error("a shared subscription is $share/, a group without wildcards, / and a filter")]
    Share,
}

impl Target {
    /// Reads a filter, or `$share/group/filter`. Clients of MQTT 3 may share as well: no topic of
    /// theirs can begin with `$share`, for clients do not publish to such.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, TargetError> {
        let Some(rest) = text.strip_prefix("$share/") else {
            return Ok(Self { filter: Filter::parse(text)?, group: None });
        };
        if text.len() > LONGEST {
            return Err(TopicError::TooLong.into());
        }
        let (group, filter) = rest.split_once('/').ok_or(TargetError::Share)?;
        if group.is_empty() || filter.is_empty() || group.contains(['+', '#', '\0']) {
            return Err(TargetError::Share);
        }
        Ok(Self { filter: Filter::parse(filter)?, group: Some(group.into()) })
    }

    /// What it may occupy in memory: a node for each level.
    fn cost(&self) -> usize {
        let text = self.filter.as_str();
        let levels = 1 + text.bytes().filter(|b| *b == b'/').count();
        2 * text.len()
            + levels * (size_of::<Node>() + TABLE)
            + self.group.as_ref().map_or(0, |g| g.len())
    }
}

/// How a subscription wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) id: Option<NonZeroU32>,
}

/// A subscription that a message matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) session: SessionId,
    pub(crate) options: Options,
    /// It came by a group: delivered beside what the session gets for itself.
    pub(crate) shared: bool,
}

#[derive(Debug)]
struct Entry {
    session: SessionId,
    options: Options,
}

#[derive(Debug)]
struct Group {
    name: Box<str>,
    members: Vec<Entry>,
    /// Whose turn it is.
    next: Cell<usize>,
}

/// The subscriptions that end at one place of the tree.
#[derive(Debug, Default)]
struct Leaf {
    each: Vec<Entry>,
    groups: Vec<Group>,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Box<Node>>,
    /// What follows `+`.
    plus: Option<Box<Node>>,
    /// Filters that end here.
    here: Leaf,
    /// Filters that end with `#` below here, and so match here too.
    below: Leaf,
}

/// What a node's table of children occupies beside them, at the least.
const TABLE: usize = 128;

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    root: Node,
    count: usize,
    bytes: usize,
}

impl Subscriptions {
    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody subscribed to anything.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What they occupy, as it is estimated.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the tree has no node; it has none where there is no subscription.
    #[must_use]
    pub(crate) fn is_bare(&self) -> bool {
        self.root.is_empty()
    }

    /// Adds a subscription or puts other options in its place; says whether it is new.
    pub(crate) fn insert(&mut self, session: SessionId, target: &Target, options: Options) -> bool {
        let leaf = self.root.leaf(target.filter.as_str());
        let entries = match &target.group {
            None => &mut leaf.each,
            Some(name) => {
                let at = leaf.groups.iter().position(|g| g.name == *name).unwrap_or_else(|| {
                    let name = name.clone();
                    leaf.groups.push(Group { name, members: Vec::new(), next: Cell::new(0) });
                    leaf.groups.len() - 1
                });
                &mut leaf.groups[at].members
            }
        };
        if let Some(entry) = entries.iter_mut().find(|e| e.session == session) {
            entry.options = options;
            return false;
        }
        entries.push(Entry { session, options });
        self.count += 1;
        self.bytes += target.cost();
        true
    }

    /// Removes a subscription; says whether there was one.
    pub(crate) fn remove(&mut self, session: SessionId, target: &Target) -> bool {
        let removed = self.root.remove(Some(target.filter.as_str()), session, &target.group);
        if removed {
            self.count -= 1;
            self.bytes -= target.cost();
        }
        removed
    }

    /// Adds every subscription that a topic matches to `hits`, those of `from` that want nothing of
    /// their own left out. Of a group one member is chosen: the next that is online, else, where
    /// the message may wait, the next.
    pub(crate) fn matching(
        &self,
        topic: &str,
        from: Option<SessionId>,
        may_wait: bool,
        online: impl Fn(SessionId) -> bool,
        hits: &mut Vec<Hit>,
    ) {
        if self.is_empty() {
            return;
        }
        self.root.walk(Some(topic), !topic.starts_with('$'), &mut |leaf| {
            for Entry { session, options } in &leaf.each {
                if !(options.no_local && from == Some(*session)) {
                    hits.push(Hit { session: *session, options: *options, shared: false });
                }
            }
            for group in &leaf.groups {
                if let Some(Entry { session, options }) = group.choose(may_wait, &online) {
                    hits.push(Hit { session: *session, options: *options, shared: true });
                }
            }
        });
    }

    /// Whether one of the sessions that a topic reaches passes.
    pub(crate) fn any(&self, topic: &str, passes: impl Fn(SessionId) -> bool) -> bool {
        let mut found = false;
        if !self.is_empty() {
            self.root.walk(Some(topic), !topic.starts_with('$'), &mut |leaf| {
                found = found
                    || leaf.each.iter().any(|e| passes(e.session))
                    || leaf.groups.iter().flat_map(|g| &g.members).any(|e| passes(e.session));
            });
        }
        found
    }
}

impl Group {
    fn choose(&self, may_wait: bool, online: impl Fn(SessionId) -> bool) -> Option<&Entry> {
        let turn = self.next.get();
        let order = || {
            let len = self.members.len();
            (0..len).map(move |i| (turn.wrapping_add(i)) % len.max(1))
        };
        let at = order()
            .find(|at| online(self.members[*at].session))
            .or_else(|| order().next().filter(|_| may_wait))?;
        self.next.set(at + 1);
        self.members.get(at)
    }
}

impl Leaf {
    fn is_empty(&self) -> bool {
        self.each.is_empty() && self.groups.is_empty()
    }

    fn remove(&mut self, session: SessionId, group: &Option<Box<str>>) -> bool {
        let Some(name) = group else { return take(&mut self.each, session) };
        let Some(at) = self.groups.iter().position(|g| g.name == *name) else { return false };
        let removed = take(&mut self.groups[at].members, session);
        if self.groups[at].members.is_empty() {
            self.groups.swap_remove(at);
        }
        removed
    }
}

/// Keeps the order of the others, which is that of a group's turns.
fn take(entries: &mut Vec<Entry>, session: SessionId) -> bool {
    let Some(at) = entries.iter().position(|e| e.session == session) else { return false };
    entries.remove(at);
    true
}

/// The first level and the rest.
fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(level, rest)| (level, Some(rest)))
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.plus.is_none()
            && self.here.is_empty()
            && self.below.is_empty()
    }

    /// Where a filter ends, its nodes made.
    fn leaf(&mut self, filter: &str) -> &mut Leaf {
        let mut node = self;
        let mut rest = Some(filter);
        while let Some(text) = rest {
            let (level, more) = split(text);
            node = match level {
                "#" => return &mut node.below,
                "+" => node.plus.get_or_insert_default(),
                _ => node.children.entry(level.into()).or_default(),
            };
            rest = more;
        }
        &mut node.here
    }

    /// As deep as a filter has levels, which are bounded.
    fn remove(&mut self, rest: Option<&str>, session: SessionId, group: &Option<Box<str>>) -> bool {
        let Some(text) = rest else { return self.here.remove(session, group) };
        let (level, rest) = split(text);
        match level {
            "#" => self.below.remove(session, group),
            "+" => {
                let Some(plus) = &mut self.plus else { return false };
                let removed = plus.remove(rest, session, group);
                if plus.is_empty() {
                    self.plus = None;
                }
                removed
            }
            _ => {
                let Some(child) = self.children.get_mut(level) else { return false };
                let removed = child.remove(rest, session, group);
                if child.is_empty() {
                    self.children.remove(level);
                }
                removed
            }
        }
    }

    /// Shows each leaf that a topic reaches; `wild` is whether a wildcard may stand here, which it
    /// may not before a first level that begins with `$`.
    fn walk(&self, rest: Option<&str>, wild: bool, found: &mut impl FnMut(&Leaf)) {
        if wild {
            found(&self.below);
        }
        let Some(text) = rest else { return found(&self.here) };
        let (level, rest) = split(text);
        if let Some(plus) = self.plus.as_deref().filter(|_| wild) {
            plus.walk(rest, true, found);
        }
        if let Some(child) = self.children.get(level) {
            child.walk(rest, true, found);
        }
    }
}

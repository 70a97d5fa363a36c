//! What this layer counts of its own work.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use crate::problem::Kind;

/// Counters of one layer, since its start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    by_class: [AtomicU64; 5],
    problems: [AtomicU64; Kind::ALL.len()],
    /// WebSockets that are open.
    pub(crate) sockets: AtomicU64,
    /// Times that a WebSocket was too slow and went on with the latest values.
    pub(crate) lagged: AtomicU64,
    /// WebSockets closed because nothing was read for too long.
    pub(crate) stuck: AtomicU64,
}

impl Counters {
    pub(crate) fn answered(&self, status: StatusCode, problem: Option<Kind>) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[class].fetch_add(1, Ordering::Relaxed);
        if let Some(kind) = problem {
            self.problem(kind);
        }
    }

    pub(crate) fn problem(&self, kind: Kind) {
        self.problems[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Answers by class of status: `1xx` to `5xx`.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        words.into_iter().zip(self.by_class.iter().map(|n| n.load(Ordering::Relaxed)))
    }

    /// Problems by the word of their type.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = Kind::ALL.into_iter().map(Kind::word);
        words.zip(self.problems.iter().map(|n| n.load(Ordering::Relaxed)))
    }
}

//! A batch as JSON, written once for all sockets that want it whole.
//!
//! - In: batches of the live bus, asked for by sockets
//! - Out: their JSON, shared
//! - Bound: 64 batches
//! - When full: the oldest is forgotten and written again for whoever still asks
//! - Counter: none

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::extract::ws::Utf8Bytes;
use iot_core::pipeline::{Live, LiveBatch, Position};

use super::message;

const KEPT: usize = 64;

/// JSON of the newest batches.
#[derive(Debug, Default)]
pub(crate) struct Rendered(Mutex<VecDeque<(Position, Utf8Bytes)>>);

impl Rendered {
    /// A batch's JSON. Written under the lock, so that sockets that ask at the same time wait for
    /// one writing instead of doing the same.
    pub(super) fn of(&self, batch: &LiveBatch) -> Utf8Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = kept.iter().rev().find(|(at, _)| *at == batch.at) {
            return text.clone();
        }
        let text = match &batch.live {
            Live::Readings(readings) => message::readings(batch.at, readings.iter()),
            Live::Device(view) => message::device(view),
            Live::Gone(id) => message::gone(id),
        };
        kept.push_back((batch.at, text.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        text
    }
}

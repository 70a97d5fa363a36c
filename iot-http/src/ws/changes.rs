//! Which devices changed lately: for a socket that was too slow and must be told what it missed.
//!
//! - In: changes of devices, from the live bus
//! - Out: devices changed since an instant
//! - Bound: one entry a device
//! - When full: it cannot be
//! - Counter: none

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use iot_core::domain::{DeviceId, Timestamp};
use iot_core::pipeline::{Live, Received};
use tokio_util::sync::CancellationToken;

use crate::state::App;

#[derive(Debug, Default)]
struct Known {
    at: HashMap<DeviceId, Timestamp>,
    /// Before this, any device may have changed: this follower itself was too slow.
    all_before: Option<Timestamp>,
}

/// When each device changed last.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Known>);

impl Changes {
    /// Follows the bus until the layer ends.
    pub(crate) async fn follow(app: App, closing: CancellationToken) {
        let mut live = app.gateway.subscribe();
        loop {
            let received = tokio::select! {
                received = live.next() => received,
                () = closing.cancelled() => return,
            };
            let now = app.gateway.clock().wall;
            let mut known = app.changes.lock();
            match received {
                None => return,
                Some(Received::Lagged { .. }) => known.all_before = Some(now),
                Some(Received::Batch(batch)) => match batch.live {
                    Live::Device(view) => {
                        known.at.insert(view.device.id.clone(), now);
                    }
                    Live::Gone(id) => {
                        known.at.insert(id, now);
                    }
                    Live::Readings(_) => {}
                },
            }
        }
    }

    /// Devices that changed since an instant; none when that cannot be told and any may have.
    pub(super) fn since(&self, since: Timestamp) -> Option<Vec<DeviceId>> {
        let known = self.lock();
        if known.all_before.is_some_and(|before| since <= before) {
            return None;
        }
        let changed = known.at.iter().filter(|(_, at)| **at >= since);
        Some(changed.map(|(id, _)| id.clone()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

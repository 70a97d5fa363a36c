//! The broker's figures, as the API and the metrics show them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use iot_core::port::{BrokerFigures, BrokerState, BrokerView};

use super::hub::Hub;

/// The figures; those of a broker that is off until one is opened.
#[derive(Debug, Default)]
pub(crate) struct Figures(OnceLock<(Weak<Hub>, BrokerState)>);

impl Figures {
    /// The broker is there, and listens on these addresses; `wrong` says where it does not.
    pub(crate) fn open(&self, hub: &Arc<Hub>, addresses: Vec<SocketAddr>, wrong: Vec<String>) {
        let state = if addresses.is_empty() {
            BrokerState::Failed { reason: wrong.join("; ") }
        } else {
            BrokerState::Listening { addresses }
        };
        // A layer is opened once.
        drop(self.0.set((Arc::downgrade(hub), state)));
    }
}

impl BrokerFigures for Figures {
    fn broker(&self) -> BrokerView {
        let Some((hub, state)) = self.0.get() else { return BrokerView::new(BrokerState::Off) };
        let Some(hub) = hub.upgrade() else { return BrokerView::new(BrokerState::Off) };
        let (counts, dropped) = hub.with(|state| (state.counts(), state.dropped()));
        let (published_in, published_out) = hub.published();
        BrokerView {
            state: state.clone(),
            connections: counts.connections as u64,
            sessions: counts.sessions as u64,
            subscriptions: counts.subscriptions as u64,
            retained: counts.retained as u64,
            retained_bytes: counts.retained_bytes as u64,
            queued: counts.queued as u64,
            queued_bytes: counts.queued_bytes as u64,
            published_in,
            published_out,
            dropped: BTreeMap::from([
                ("queue_full", dropped.queue_full),
                ("memory_full", dropped.memory_full),
                ("expired", dropped.expired),
                ("too_large", dropped.too_large),
                ("retained_full", dropped.retained_full),
                ("session_ended", dropped.session_ended),
            ]),
        }
    }
}

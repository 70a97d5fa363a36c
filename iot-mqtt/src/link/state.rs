//! Where a link stands, as it is shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use iot_core::domain::Origin;
use iot_core::gateway::Handle;
use iot_core::port::{LinkState, LinkView};

use super::config::LinkConfig;
use super::figures::Figures;

/// Where a link stands.
#[derive(Debug)]
pub(crate) struct Standing {
    now: Mutex<(LinkState, Option<String>)>,
    /// What a reading takes in the store, in bytes.
    each: AtomicU64,
    gateway: OnceLock<Handle>,
    pub(crate) figures: Arc<Figures>,
}

impl Standing {
    pub(crate) fn new() -> Self {
        Self {
            now: Mutex::new((LinkState::Connecting, None)),
            each: AtomicU64::new(0),
            gateway: OnceLock::new(),
            figures: Arc::default(),
        }
    }

    /// Where it stands from now on, and why.
    pub(crate) fn set(&self, state: LinkState, reason: Option<String>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (state, reason);
    }

    /// It has its gateway.
    pub(crate) fn opened(&self, gateway: &Handle) {
        // A link is run once.
        let _ = self.gateway.set(gateway.clone());
        self.weigh(gateway);
    }

    /// Asks anew what a reading takes in the store. Not asked while the link is shown: the
    /// gateway's diagnostics show links.
    pub(crate) fn weigh(&self, gateway: &Handle) {
        let diagnostics = gateway.diagnostics();
        let each = diagnostics.usage.used / diagnostics.ledger.kept.max(1);
        self.each.store(each, Ordering::Relaxed);
    }

    /// As it is shown.
    pub(crate) fn view(&self, config: &LinkConfig, origin: Origin) -> LinkView {
        let (state, reason) = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gateway = self.gateway.get();
        let shown = gateway.map(|gateway| self.figures.show(*gateway.progress().borrow()));
        let shown = shown.unwrap_or_default();
        let age = gateway
            .zip(shown.oldest)
            .filter(|_| shown.lag > 0)
            .map_or(0.0, |(gateway, at)| gateway.clock().wall.since(at).as_secs_f64());
        // Up, it is the publisher that knows whether it has what there is.
        let state = match state {
            LinkState::Live if shown.catching_up => LinkState::CatchingUp,
            state => state,
        };
        LinkView {
            name: config.name.clone(),
            url: config.address.to_string(),
            username: config.username.clone(),
            devices: config.devices.words(),
            prefix: config.prefix.clone(),
            qos: 1,
            format: config.format.word(),
            ingest: config.ingest.iter().map(ToString::to_string).collect(),
            commands: config.commands,
            origin,
            state,
            reason: reason.or(shown.trouble),
            lag: shown.lag,
            lag_s: age,
            backlog_bytes: shown.lag.saturating_mul(self.each.load(Ordering::Relaxed)),
            acknowledged: shown.acknowledged,
            dropped: shown.dropped,
        }
    }
}

//! The layer: the embedded broker, and the links to other brokers.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use iot_core::port::{CommandRoute, ConfigError, Layer, LayerCx, LayerError};
use iot_core::task::Tasks;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::broker::Hub;
use crate::broker::commands::{Asked, Desk, Route, inbox};
use crate::config::BrokerConfig;
use crate::serve::{Doors, Transport};

const NAME: &str = "mqtt";
/// How often sessions, wills and retained messages are looked at for what time did to them.
const TICK: Duration = Duration::from_secs(1);
/// How long the layer's parts have to end.
const END: Duration = Duration::from_millis(1_800);

/// The addresses that the broker listens on, once the layer is open. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<OnceLock<Vec<(Transport, SocketAddr)>>>);

impl Addresses {
    /// Bound addresses for MQTT over TCP; none before the layer was opened.
    #[must_use]
    pub fn tcp(&self) -> Vec<SocketAddr> {
        self.of(Transport::Plain)
    }

    /// Bound addresses for MQTT over TLS.
    #[must_use]
    pub fn tls(&self) -> Vec<SocketAddr> {
        self.of(Transport::Tls)
    }

    /// Bound addresses for MQTT over WebSocket.
    #[must_use]
    pub fn websocket(&self) -> Vec<SocketAddr> {
        self.of(Transport::WebSocket)
    }

    fn of(&self, transport: Transport) -> Vec<SocketAddr> {
        let all = self.0.get().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|(t, _)| *t == transport).map(|(_, address)| *address).collect()
    }
}

/// MQTT of a gateway.
#[derive(Debug)]
pub struct Mqtt {
    broker: BrokerConfig,
    route: Arc<Route>,
    addresses: Addresses,
    open: Option<Open>,
}

/// What was taken of the world.
struct Open {
    hub: Arc<Hub>,
    doors: Doors,
    commands: mpsc::Receiver<Asked>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

impl Mqtt {
    /// An embedded broker as configured.
    #[must_use]
    pub fn new(broker: BrokerConfig) -> Self {
        Self {
            broker,
            route: Arc::new(Route::default()),
            addresses: Addresses::default(),
            open: None,
        }
    }

    /// An embedded broker on one address, port 0 taking a free one.
    #[must_use]
    pub fn on(address: SocketAddr) -> Self {
        Self::new(BrokerConfig::on([address]))
    }

    /// Where the bound addresses can be read once the gateway has started.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }
}

#[async_trait]
impl Layer for Mqtt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.broker.validate()
    }

    fn command_route(&self) -> Option<Arc<dyn CommandRoute>> {
        Some(self.route.clone())
    }

    async fn open(&mut self, cx: LayerCx) -> Result<(), LayerError> {
        let (doors, wrong) = Doors::open(&self.broker);
        for why in wrong {
            // A taken port does not stop the rest.
            tracing::error!("the embedded broker does not listen everywhere: {why}");
        }
        let (commands, asked) = inbox();
        let waiters = self.route.waiters();
        let hub = Arc::new(Hub::new(self.broker.clone(), cx.gateway, commands, waiters));
        self.route.open(&hub);
        // A layer is opened once.
        drop(self.addresses.0.set(doors.addresses()));
        self.open = Some(Open { hub, doors, commands: asked });
        Ok(())
    }

    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        let Some(Open { hub, doors, commands }) = self.open else { return Ok(()) };
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("broker clients", doors.serve(hub.clone(), stop.clone()));
        tasks.spawn("broker commands", Desk::new(commands, hub.clone()).run(stop.clone()));
        tasks.spawn("broker time", time(hub, stop.clone()));
        stop.cancelled().await;
        tasks.stop(END).await;
        Ok(())
    }
}

/// Lets time pass for the broker.
async fn time(hub: Arc<Hub>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let ticked = hub.with(|state| state.tick(Instant::now()));
        hub.wills(ticked.wills);
    }
}

//! The layer: the embedded broker, and the links to other brokers.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{Command, DeviceId, Home, Outcome};
use iot_core::gateway::Handle;
use iot_core::port::{
    BrokerFigures, CommandRoute, ConfigError, Layer, LayerCx, LayerError, LinkView, Links, Unready,
};
use iot_core::task::Tasks;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::broker::commands::{Asked, Desk, Route, inbox};
use crate::broker::figures::Figures;
use crate::broker::{Hub, outlet};
use crate::config::BrokerConfig;
use crate::link::Link;
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

/// MQTT of a gateway: an embedded broker, links to others, or both.
#[derive(Debug, Default)]
pub struct Mqtt {
    broker: Option<BrokerConfig>,
    links: Vec<Arc<Link>>,
    route: Arc<Route>,
    addresses: Addresses,
    figures: Arc<Figures>,
    open: Option<Open>,
}

/// What was taken of the world.
struct Open {
    gateway: Handle,
    broker: Option<Broker>,
}

struct Broker {
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
    /// Neither a broker nor a link yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An embedded broker on one address, port 0 taking a free one.
    #[must_use]
    pub fn on(address: SocketAddr) -> Self {
        Self::new().broker(BrokerConfig::on([address]))
    }

    /// With an embedded broker as configured.
    #[must_use]
    pub fn broker(mut self, broker: BrokerConfig) -> Self {
        self.broker = Some(broker);
        self
    }

    /// With a link to another broker.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(Arc::new(link));
        self
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
        self.broker.as_ref().map_or(Ok(()), BrokerConfig::validate)
    }

    fn command_route(&self) -> Option<Arc<dyn CommandRoute>> {
        let mut routes: Vec<Arc<dyn CommandRoute>> = Vec::new();
        if self.broker.is_some() {
            routes.push(self.route.clone());
        }
        routes.extend(self.links.iter().map(|link| link.route()));
        Some(Arc::new(Routes(routes)))
    }

    fn links(&self) -> Option<Arc<dyn Links>> {
        Some(Arc::new(All(self.links.clone())))
    }

    fn broker(&self) -> Option<Arc<dyn BrokerFigures>> {
        Some(self.figures.clone())
    }

    async fn open(&mut self, cx: LayerCx) -> Result<(), LayerError> {
        let gateway = cx.gateway;
        let broker = self.broker.clone().map(|config| self.open_broker(config, gateway.clone()));
        self.open = Some(Open { gateway, broker });
        Ok(())
    }

    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        let Some(Open { gateway, broker }) = self.open else { return Ok(()) };
        let mut tasks = Tasks::new(stop.clone());
        for link in self.links {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            tasks.spawn("link", async move { link.run(gateway, stop).await });
        }
        if let Some(broker) = broker {
            broker.spawn(&mut tasks, &stop);
        }
        stop.cancelled().await;
        tasks.stop(END).await;
        Ok(())
    }
}

impl Mqtt {
    fn open_broker(&self, config: BrokerConfig, gateway: Handle) -> Broker {
        let (doors, wrong) = Doors::open(&config);
        for why in &wrong {
            // A taken port does not stop the rest.
            tracing::error!("the embedded broker does not listen everywhere: {why}");
        }
        let (commands, asked) = inbox();
        let hub = Arc::new(Hub::new(config, gateway, commands, self.route.waiters()));
        self.route.open(&hub);
        let addresses = doors.addresses();
        self.figures.open(&hub, addresses.iter().map(|(_, address)| *address).collect(), wrong);
        // A layer is opened once.
        drop(self.addresses.0.set(addresses));
        Broker { hub, doors, commands: asked }
    }
}

/// The ways of commands: the embedded broker's and each link's.
struct Routes(Vec<Arc<dyn CommandRoute>>);

impl Routes {
    fn to(&self, home: &Home) -> Option<&Arc<dyn CommandRoute>> {
        self.0.iter().find(|route| route.serves(home))
    }
}

#[async_trait]
impl CommandRoute for Routes {
    fn serves(&self, home: &Home) -> bool {
        self.to(home).is_some()
    }

    fn takes_any(&self, home: &Home) -> bool {
        self.to(home).is_some_and(|route| route.takes_any(home))
    }

    fn accepts(&self, home: &Home, device: &DeviceId) -> Result<(), Unready> {
        match self.to(home) {
            Some(route) => route.accepts(home, device),
            None => Err(Unready::No(format!("nothing speaks to {home}"))),
        }
    }

    async fn deliver(&self, home: &Home, command: Command) -> Outcome {
        match self.to(home) {
            Some(route) => route.deliver(home, command).await,
            None => Outcome::Refused(format!("nothing speaks to {home}")),
        }
    }
}

/// All links, as they are shown.
struct All(Vec<Arc<Link>>);

impl Links for All {
    fn links(&self) -> Vec<LinkView> {
        self.0.iter().map(|link| link.view()).collect()
    }
}

impl Broker {
    fn spawn(self, tasks: &mut Tasks, stop: &CancellationToken) {
        let Self { hub, doors, commands } = self;
        tasks.spawn("broker clients", doors.serve(hub.clone(), stop.clone()));
        tasks.spawn("broker commands", Desk::new(commands, hub.clone()).run(stop.clone()));
        tasks.spawn("broker publications", outlet::run(hub.clone(), stop.clone()));
        tasks.spawn("broker time", time(hub, stop.clone()));
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
        let wills = hub.with(|state| state.tick(Instant::now()));
        hub.wills(wills);
    }
}

//! Links to other brokers: each reads the log from its own cursor, publishes, and moves the cursor
//! as it is acknowledged. An outage is a cursor that lags, and nothing else.
//!
//! - [`config`]: what a link is told
//! - `client`, `v4`, `v5`: one connection to a broker, in either version of the protocol
//! - `messages`: a page of the log as messages
//! - `progress`: how far a cursor may move
//! - `publisher`: from the log to an outlet, whatever that is
//! - `announce`: what is said of devices, retained
//! - `inbound`, `commands`: what is taken in
//! - `backoff`, `figures`, `state`: when it tries again, and what it shows

pub(crate) mod announce;
mod backoff;
mod client;
mod commands;
pub mod config;
pub(crate) mod figures;
mod inbound;
pub(crate) mod message;
pub(crate) mod messages;
mod progress;
pub(crate) mod publisher;
mod state;
mod v4;
mod v5;

use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{Home, Origin};
use iot_core::gateway::Handle;
use iot_core::port::{CommandRoute, CursorName, LinkState, LinkView};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::announce::Announcer;
use self::backoff::Backoff;
use self::client::{Dial, End, EndKind, Session, Version};
use self::commands::Route;
use self::config::{LinkConfig, Versions};
use self::inbound::Inbound;
use self::message::Lost;
use self::messages::Rule;
use self::publisher::Publisher;
use self::state::Standing;
use crate::topic::Filter;

/// How often what a reading takes in the store is asked anew, while a link is up.
const WEIGH: Duration = Duration::from_secs(60);
/// How long a link waits before it asks the store again that could not give it its cursor.
const STORE: Duration = Duration::from_secs(1);

/// A link to another broker.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    origin: Origin,
    standing: Standing,
    route: Arc<Route>,
}

impl Link {
    /// A link that does nothing yet.
    #[must_use]
    pub fn new(config: LinkConfig, origin: Origin) -> Self {
        let route = Route::new(&config.name, &config.prefix);
        Self { config, origin, standing: Standing::new(), route }
    }

    /// Where it stands.
    #[must_use]
    pub fn view(&self) -> LinkView {
        self.standing.view(&self.config, self.origin)
    }

    /// The way of commands to the devices on its other side.
    #[must_use]
    pub fn route(&self) -> Arc<dyn CommandRoute> {
        self.route.clone()
    }

    /// Keeps the link until it is told to stop; then says goodbye, within 2 s.
    pub async fn run(&self, gateway: Handle, stop: CancellationToken) {
        self.standing.opened(&gateway);
        let Some(mut publisher) = stop.run_until_cancelled(self.publisher(&gateway)).await else {
            return;
        };
        let mut inbound = Inbound::new(&gateway, &self.config, self.route.clone());
        let mut backoff = Backoff::default();
        let mut older = false;
        loop {
            self.standing.set(LinkState::Connecting, None);
            let opened = stop.run_until_cancelled(self.connect(&gateway, &mut older)).await;
            let end = match opened {
                None => return,
                Some(Err(end)) => end,
                Some(Ok(session)) => {
                    let begun = Instant::now();
                    let forgot = session.client.facts().forgot;
                    let parts = (&mut publisher, &mut inbound, &mut backoff);
                    let ended = self.serve(&gateway, session, parts, &stop).await;
                    publisher.recover().await;
                    let Some(mut end) = ended else { return };
                    if backoff.ended(begun.elapsed(), forgot) && end.kind == EndKind::Lost {
                        let id = self.client_id(&gateway);
                        end.why += &format!("; another client may be using the client id {id}");
                    }
                    end
                }
            };
            let wait = match end.kind {
                EndKind::Taken => Backoff::long(),
                EndKind::Lost | EndKind::Refused | EndKind::Version => backoff.next(),
            };
            let state = match end.kind {
                EndKind::Refused | EndKind::Version => LinkState::Refused,
                EndKind::Lost | EndKind::Taken => LinkState::BackingOff,
            };
            tracing::warn!(link = self.config.name, why = end.why, ?wait, "the link is down");
            self.standing.set(state, Some(end.why));
            let pause = async {
                publisher.look().await;
                tokio::time::sleep(wait).await;
                self.standing.weigh(&gateway);
            };
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    fn client_id(&self, gateway: &Handle) -> String {
        format!("iot-{}-{}", gateway.info().id, self.config.name)
    }

    async fn publisher(&self, gateway: &Handle) -> Publisher {
        loop {
            let name = CursorName(format!("mqtt:{}", self.config.name).into());
            let rule = Rule {
                gateway: gateway.info().id,
                devices: self.config.devices.clone(),
                theirs: Home::Link(self.config.name.clone()),
                prefix: self.config.prefix.clone(),
            };
            let figures = self.standing.figures.clone();
            let begin = self.config.begin;
            match Publisher::open(gateway.clone(), name, begin, rule, figures).await {
                Ok(publisher) => return publisher,
                Err(error) => {
                    self.standing.set(LinkState::BackingOff, Some(error.to_string()));
                    tokio::time::sleep(STORE).await;
                }
            }
        }
    }

    /// Connects in the newest version that both sides speak. A broker that turned out not to know
    /// the newer one is spoken to in the older until that fails too: it may be another by then.
    async fn connect(&self, gateway: &Handle, older: &mut bool) -> Result<Session, End> {
        let id = gateway.info().id;
        let dial = Dial::new(&self.config, id.as_str(), self.client_id(gateway)).await;
        let dial = dial.map_err(|why| End { kind: EndKind::Refused, why })?;
        match self.config.versions {
            Versions::V3 => return Session::open(&dial, Version::V3).await,
            Versions::V5 => return Session::open(&dial, Version::V5).await,
            Versions::Either => {}
        }
        if !*older {
            match Session::open(&dial, Version::V5).await {
                Err(End { kind: EndKind::Version, why }) => {
                    tracing::info!(link = self.config.name, why, "3.1.1 is tried instead");
                }
                opened => return opened,
            }
        }
        let opened = Session::open(&dial, Version::V3).await;
        *older = opened.is_ok();
        opened
    }

    /// Serves a session to its end; none where the link was told to stop.
    async fn serve(
        &self,
        gateway: &Handle,
        Session { client, mut heard, mut pump }: Session,
        (publisher, inbound, backoff): (&mut Publisher, &mut Inbound, &mut Backoff),
        stop: &CancellationToken,
    ) -> Option<End> {
        let announcer = Announcer {
            gateway: gateway.clone(),
            devices: self.config.devices.clone(),
            theirs: Home::Link(self.config.name.clone()),
            describes_theirs: false,
            prefix: self.config.prefix.clone(),
            retain: client.facts().retains,
        };
        tracing::info!(link = self.config.name, url = %self.config.address, "the link is up");
        self.standing.set(LinkState::Live, None);
        self.route.connected(Some(client.clone()));
        let filters = inbound.filters();
        let subscribe = async {
            let mut refused = Vec::new();
            for filter in &filters {
                // A command that was published to be kept is told by its mark, where the protocol
                // has one for those who were there.
                let commands = format!("{}devices/x/commands", self.config.prefix);
                let marked = Filter::parse(filter).is_ok_and(|f| f.matches(&commands));
                if let Err(why) = client.subscribe(filter, marked).await {
                    let Some(why) = why else { break };
                    let why = format!("the broker refused the subscription to {filter}: {why}");
                    tracing::warn!(link = self.config.name, why);
                    refused.push(why);
                    self.standing.set(LinkState::Refused, Some(refused.join("; ")));
                }
            }
            loop {
                tokio::time::sleep(WEIGH).await;
                self.standing.weigh(gateway);
            }
        };
        let unanswered = || Some(End::lost("the broker could not take a message now"));
        let (end, own) = tokio::select! {
            end = pump.ended() => (Some(end), true),
            Lost = publisher.run(&client) => (unanswered(), false),
            Lost = announcer.run(&client, || backoff.reset()) => (unanswered(), false),
            Lost = inbound.run(&client, &mut heard) => (unanswered(), false),
            () = subscribe => (None, false),
            () = stop.cancelled() => (None, false),
        };
        self.route.connected(None);
        match end {
            Some(end) if own => Some(end),
            Some(end) => Some(pump.end(end).await),
            None => {
                pump.close(&client, heard, &announcer.gateway_status(false)).await;
                None
            }
        }
    }
}

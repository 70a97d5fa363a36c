//! The layer: what it listens on, what it takes of the world, how it ends.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::Router;
use iot_core::port::{ConfigError, Layer, LayerCx, LayerError};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::front::Names;
use crate::router;
use crate::serve::{self, Control, Open};
use crate::state::{App, Shared};
use crate::ws::Changes;

const NAME: &str = "http";
const BODY_LIMIT: usize = 1 << 20;

/// What to listen on, and whom to answer. The table `[http]` of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Addresses; none for the control socket alone. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Names by which browsers may reach the gateway, beside its addresses, `localhost` and the
    /// machine's own name.
    pub hosts: Vec<String>,
    /// Other sites whose pages may use the API: `https://dash.example`.
    pub origins: Vec<String>,
    /// The control socket's path. Whoever can open it has the rights of an administrator.
    pub control: Option<PathBuf>,
}

/// The addresses that are listened on, once the layer is open. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<OnceLock<Vec<SocketAddr>>>);

impl Addresses {
    /// The bound addresses; none before the layer was opened.
    #[must_use]
    pub fn get(&self) -> Vec<SocketAddr> {
        self.0.get().cloned().unwrap_or_default()
    }
}

/// REST, WebSocket and page of a gateway.
pub struct Http {
    config: HttpConfig,
    named: Vec<String>,
    body_limit: usize,
    addresses: Addresses,
    own: Option<Router>,
    open: Option<(App, Open)>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Http {
    /// On one address: `127.0.0.1:8080`, `localhost:8080`. Port 0 takes a free one.
    #[must_use]
    pub fn on(address: impl Into<String>) -> Self {
        let mut http = Self::new(HttpConfig::default());
        http.named.push(address.into());
        http
    }

    /// As configured.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        Self {
            config,
            named: Vec::new(),
            body_limit: BODY_LIMIT,
            addresses: Addresses::default(),
            own: None,
            open: None,
        }
    }

    /// Where the bound addresses can be read once the gateway has started.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// The most that the body of a request to the API may hold; 1 MiB unless said.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Serves routes of your own beside the gateway's, on the same addresses.
    ///
    /// They are behind the same `Host` and `Origin` checks and get the same headers, and **no
    /// sign-in**: who may do what there is yours to decide. They must not repeat a path of the API
    /// and must not have a fallback; the layer then does not open and says so.
    #[must_use]
    pub fn merge(mut self, routes: Router) -> Self {
        self.own = Some(match self.own.take() {
            Some(own) => own.merge(routes),
            None => routes,
        });
        self
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, LayerError> {
        let mut all = self.config.listen.clone();
        for name in &self.named {
            let found = tokio::net::lookup_host(name.as_str()).await;
            let first =
                found.map_err(|e| error(format!("{name} is no address to listen on: {e}")))?;
            match { first }.next() {
                Some(address) => all.push(address),
                None => return Err(error(format!("{name} has no address"))),
            }
        }
        Ok(all)
    }
}

pub(crate) fn error(why: String) -> LayerError {
    LayerError { layer: NAME, why, optional: false }
}

#[async_trait]
impl Layer for Http {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self) -> Result<(), ConfigError> {
        for (n, name) in self.named.iter().enumerate() {
            let port = name.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                let detail = format!("{name} must be an address and a port, as 127.0.0.1:8080");
                return Err(ConfigError::at(format!("/listen/{n}"), detail));
            }
        }
        for (n, origin) in self.config.origins.iter().enumerate() {
            let is_site = origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains('/')
            });
            if !is_site {
                let detail =
                    format!("{origin} must be a site without a path, as https://dash.example");
                return Err(ConfigError::at(format!("/origins/{n}"), detail));
            }
        }
        Ok(())
    }

    async fn open(&mut self, cx: LayerCx) -> Result<(), LayerError> {
        let listeners = serve::listen(&self.resolve().await?)?;
        let bound: Vec<SocketAddr> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let control = match &self.config.control {
            Some(path) => Some(Control::bind(path)?),
            None => None,
        };
        // A layer is opened once; were it opened again, the first addresses would stay.
        let _first = self.addresses.0.set(bound);
        let names = Names::new(&self.config.hosts, &self.config.origins);
        let app = Shared::new(cx.gateway, names, self.addresses.clone(), self.body_limit);
        let router = router::build(&app, self.own.take())?;
        self.open = Some((app, Open { listeners, control, router }));
        Ok(())
    }

    async fn run(mut self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        let Some((app, open)) = self.open.take() else {
            return Err(error("it was told to run before it was opened".to_owned()));
        };
        let changes = Changes::follow(app.clone(), app.closing.clone());
        let (result, ()) = tokio::join!(serve::run(&app, open, stop), changes);
        result
    }
}

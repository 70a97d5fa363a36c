//! First access: the file `admin-token` for programs, a sign-in link for people.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iot_core::domain::{Principal, Role, Scope, TokenKind, TokenRecord, TokenSecret};
use iot_core::gateway::{Handle, NewToken};
use iot_core::port::{BrokerFigures, CommandRoute, ConfigError, Layer, LayerCx, LayerError, Links};
use tokio_util::sync::CancellationToken;

/// The token's name and its file's.
const NAME: &str = "admin";
const FILE: &str = "admin-token";
/// Rows of the audit looked at in one read.
const PAGE: usize = 1_000;
/// A gateway with a device of this age is not new. The audit remembers for 90 days.
const NEW: Duration = Duration::from_secs(60 * 24 * 3600);

/// A layer that serves, and before it does so makes the API token `admin` once, when the gateway is
/// new, and puts it into a file that only the gateway's user can read. A token that was revoked is
/// never made again, nor its file.
///
/// The token is made when the ports are bound and before anything is served: a start that fails
/// for a taken port leaves none behind, and whoever is told that the gateway is ready finds the file.
#[derive(Debug)]
pub(crate) struct WithAdminToken<L> {
    layer: L,
    file: PathBuf,
}

impl<L> WithAdminToken<L> {
    pub(crate) fn new(layer: L, data: &Path) -> Self {
        Self { layer, file: data.join(FILE) }
    }
}

/// Makes the token and its file, where that is due. An empty file marks a first start that was cut off
/// before its token was written.
async fn make(file: &Path, gateway: &Handle) -> anyhow::Result<()> {
    let admin = gateway.tokens().into_iter().find(is_admin);
    match fs::metadata(file) {
        Ok(found) if found.len() > 0 => {
            say_if_dead(file, gateway);
            return Ok(());
        }
        Ok(_) => {
            if let Some(lost) = admin {
                gateway.revoke(&Principal::local(), &lost.hash).await?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if admin.is_some() || was_made(gateway).await? {
                return Ok(());
            }
        }
        Err(error) => return Err(error.into()),
    }
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    let (secret, _) = gateway
        .issue(
            &Principal::local(),
            NewToken {
                kind: TokenKind::Api,
                name: NAME.to_owned(),
                role: Role::Admin,
                scope: Scope::All,
                lifetime: None,
            },
        )
        .await?;
    out.write_all(format!("{}\n", secret.reveal()).as_bytes())?;
    out.sync_all()?;
    Ok(())
}

/// One line where the file's token opens nothing any more, for its holder would only see 401.
fn say_if_dead(file: &Path, gateway: &Handle) {
    let named = file.display();
    match secret_in(file) {
        Ok(secret) if gateway.tokens().iter().any(|token| token.hash == secret.hash()) => {}
        Ok(_) => tracing::warn!(
            "the token in {named} was revoked and opens nothing: remove the file, and make another \
             token with `iot-server token create NAME --role admin`"
        ),
        Err(error) => tracing::warn!("{named} cannot be read: {error}"),
    }
}

fn secret_in(file: &Path) -> io::Result<TokenSecret> {
    Ok(TokenSecret::given(String::from_utf8_lossy(&fs::read(file)?).trim()))
}

/// Removes the file `admin-token` where it holds the secret of the token of this id (the first
/// digits of its hash). Gives the file that was removed.
pub(crate) fn remove_file_of(data: &Path, id: &str) -> io::Result<Option<PathBuf>> {
    let file = data.join(FILE);
    match secret_in(&file) {
        Ok(secret) if secret.hash().0.starts_with(id) => {
            fs::remove_file(&file)?;
            Ok(Some(file))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(None),
    }
}

fn is_admin(token: &TokenRecord) -> bool {
    token.kind == TokenKind::Api && token.name == NAME
}

/// Whether the token was ever made: the audit knows it after it was revoked. A gateway whose audit
/// may have forgotten it knows a device that is older than a first start.
async fn was_made(gateway: &Handle) -> anyhow::Result<bool> {
    let now = gateway.clock().wall;
    if gateway.devices().iter().any(|view| now.since(view.device.first_seen) > NEW) {
        return Ok(true);
    }
    let target = format!("token:{}:{NAME}", TokenKind::Api.word());
    let mut after = None;
    loop {
        let page = gateway.registry().audit(after, PAGE).await?;
        if page.items.iter().any(|row| row.action == "token.create" && row.target == target) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

#[async_trait]
impl<L: Layer> Layer for WithAdminToken<L> {
    fn name(&self) -> &'static str {
        self.layer.name()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.layer.validate()
    }

    fn command_route(&self) -> Option<Arc<dyn CommandRoute>> {
        self.layer.command_route()
    }

    fn links(&self) -> Option<Arc<dyn Links>> {
        self.layer.links()
    }

    fn broker(&self) -> Option<Arc<dyn BrokerFigures>> {
        self.layer.broker()
    }

    async fn open(&mut self, cx: LayerCx) -> Result<(), LayerError> {
        let gateway = cx.gateway.clone();
        self.layer.open(cx).await?;
        make(&self.file, &gateway).await.map_err(|error| LayerError {
            layer: FILE,
            why: format!("{} could not be made: {error:#}", self.file.display()),
            optional: false,
        })
    }

    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        Box::new(self.layer).run(stop).await
    }
}

/// A fresh sign-in link's secret.
pub(crate) async fn sign_in(gateway: &Handle) -> anyhow::Result<TokenSecret> {
    let (secret, _) = gateway.issue(&Principal::local(), NewToken::link()).await?;
    Ok(secret)
}

//! `run`: the gateway, until it is told to stop.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use iot_core::domain::SettingKey;
use iot_core::gateway::{Handle, Running};
use iot_http::Http;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{access, configuration, reload, sources, unbuilt};
use crate::cli::RunArgs;
use crate::compose::{self, Place};
use crate::config::{self, Loaded};
use crate::{log, say};

/// The promise is five seconds; the gateway's own stop takes less.
const STOP: Duration = Duration::from_millis(4_800);

/// A signal this soon after the first is its echo: some programs signal a child and then its group.
const ECHO: Duration = Duration::from_millis(500);

/// What the operating system tells the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("a signal handler could not be installed");
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits until the process is told to end once more, by somebody who means it.
    async fn end_again(&mut self) {
        let began = tokio::time::Instant::now();
        loop {
            self.end().await;
            if began.elapsed() >= ECHO {
                return;
            }
        }
    }
}

/// Runs the gateway.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let sources = sources(&args)?;
    let (loaded, instances) = configuration(&sources)?;
    let place = Place::of(args.data.as_deref(), args.plugins.as_deref(), &sources.environment);
    let level = log::start(loaded.config.gateway.log_level.as_deref().unwrap_or("info"))?;
    let mut signals = Signals::new()?;

    make_folder(&place.data)?;
    let http = Http::new(compose::http(&loaded.config, &place));
    let addresses = http.addresses();
    let builder = compose::gateway(&loaded, &place, instances, http)?;
    let mut running = tokio::select! {
        started = builder.start() => started?,
        () = signals.end() => {
            tracing::info!("told to stop while starting");
            return Ok(ExitCode::SUCCESS);
        }
    };
    unbuilt::say(&place);
    for address in addresses.get() {
        tracing::info!(%address, "HTTP is served");
    }
    print_links(&running, &addresses.get()).await?;
    let ended = live(&mut running, &mut signals, &level, &sources, &loaded).await;
    let code = stop(running, &mut signals).await;
    match ended {
        Some(why) => bail!("{why}"),
        None => Ok(code),
    }
}

/// The store makes its own folder; where the configuration puts it elsewhere, the socket and the
/// admin's token still need this one.
fn make_folder(data: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(|| {
        format!("the data folder {} cannot be made, choose another with --data", data.display())
    })
}

/// Lives until the process is told to end, or a part ends by itself; then says why.
async fn live(
    running: &mut Running,
    signals: &mut Signals,
    level: &log::Level,
    sources: &config::Sources,
    loaded: &Loaded,
) -> Option<String> {
    let gateway = running.handle();
    let mut settings = gateway.settings_changed();
    set_level(&gateway, level);
    loop {
        tokio::select! {
            biased;
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            Ok(()) = settings.changed() => set_level(&gateway, level),
            _ = signals.hangup.recv() => reload::reload(sources, loaded, &gateway),
            error = running.ended() => return Some(format!("the gateway ended by itself: {error}")),
        }
    }
}

/// The log follows the setting.
fn set_level(gateway: &Handle, level: &log::Level) {
    let wanted = gateway.settings().into_iter().find(|s| s.key == SettingKey::LogLevel);
    if let Some(word) = wanted.as_ref().and_then(|setting| setting.value.as_str())
        && let Err(error) = level.set(word)
    {
        tracing::error!("the log's level could not be changed: {error:#}");
    }
}

/// Stops in order; a second signal, or too long a stop, ends it where it is.
async fn stop(running: Running, signals: &mut Signals) -> ExitCode {
    tracing::info!("stopping");
    tokio::select! {
        whole = running.stop() => {
            if whole {
                tracing::info!("stopped");
                return ExitCode::SUCCESS;
            }
            tracing::error!("stopped, and not everything that was taken in is on disk");
        }
        () = signals.end_again() => tracing::warn!("told to stop a second time: ending at once"),
        () = tokio::time::sleep(STOP) => tracing::error!("the stop takes too long: ending at once"),
    }
    ExitCode::FAILURE
}

/// While there is no user, each start offers a way in.
async fn print_links(gateway: &Handle, addresses: &[std::net::SocketAddr]) -> anyhow::Result<()> {
    let secret = access::sign_in(gateway).await?;
    say::out(
        "To sign in, open one of these links in a browser; it is good for 15 minutes and one use:",
    );
    for link in iot_http::links(addresses, &secret) {
        say::out(format_args!("Open {link}"));
    }
    Ok(())
}

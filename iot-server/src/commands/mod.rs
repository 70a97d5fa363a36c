//! What the program can be told to do.

mod access;
mod answer;
mod client;
mod device;
mod in_process;
mod plugin;
mod reload;
mod run;
mod token;
mod unbuilt;

use std::process::ExitCode;

pub(crate) use access::WithAdminToken;
use iot_core::domain::InstanceRecord;
use iot_core::port::Layer as _;
use iot_core::registry::Registered;
use iot_http::Http;

use crate::cli::{Cli, Command, RunArgs};
use crate::compose::{self, Place};
use crate::config::{self, Environment, Fault, Listen, Loaded, Sources};
use crate::say;

/// The exit code of a wrong configuration, as clap's of a wrong command line.
const WRONG_CONFIGURATION: u8 = 2;

/// Carries a command out, and says on standard error why it did not work.
pub(crate) async fn carry_out(cli: Cli) -> ExitCode {
    let done = match cli.command {
        None => run::run(cli.run).await,
        Some(Command::Run(args)) => run::run(args).await,
        Some(Command::CheckConfig(args)) => check_config(&args),
        Some(Command::Config(_)) => {
            say::out(config::DEFAULT.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Token(args)) => token::carry_out(args).await,
        Some(Command::Device(args)) => device::carry_out(args).await,
        Some(Command::Plugin(args)) => plugin::carry_out(args).await,
    };
    done.unwrap_or_else(|error| {
        say::err(format_args!("{error:#}"));
        if error.is::<Fault>() { ExitCode::from(WRONG_CONFIGURATION) } else { ExitCode::FAILURE }
    })
}

fn check_config(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let sources = sources(args)?;
    let (loaded, instances) = configuration(&sources)?;
    let from = sources
        .file()
        .map_or("no file, so the defaults".to_owned(), |path| path.display().to_string());
    say::out(format_args!(
        "the configuration is right ({from}; {} instances, {} links)",
        instances.len(),
        loaded.config.mqtt.link.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The configuration, checked as far as that can be without touching the world.
fn configuration(sources: &Sources) -> anyhow::Result<(Loaded, Vec<InstanceRecord>)> {
    let loaded = sources.load()?;
    let instances = config::check(&loaded, sources, &Registered::collect()?)?;
    let http = Http::new(compose::http(&loaded.config, &Place::default()));
    http.validate().map_err(|error| {
        let key = format!("http{}", error.pointer.replace('/', "."));
        Fault::anywhere(key, error.detail)
    })?;
    Ok((loaded, instances))
}

/// Where the configuration of a gateway comes from.
fn sources(args: &RunArgs) -> Result<Sources, Fault> {
    Ok(Sources {
        environment: Environment::of_process()?,
        config: args.config.clone(),
        http: (!args.http.is_empty()).then(|| Listen::On(args.http.clone())),
        mqtt: args.mqtt.clone(),
    })
}

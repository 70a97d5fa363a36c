//! `iot-server`: the reference gateway, made of nothing but the kit's crates. It holds configuration
//! and composition alone; everything else is a crate that another product can take.

mod cli;
mod commands;
mod compose;
mod config;
mod log;
mod say;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

/// Version, commit and profile.
const BUILD_ID: &str = env!("GATEWAY_BUILD_ID");

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say::err(format_args!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(commands::carry_out(cli));
    // What is still blocked now (a driver, a slow disk) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

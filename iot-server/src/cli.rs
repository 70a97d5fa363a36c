//! Commands and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use iot_core::domain::Role;

use crate::config::{Listen, address};

/// An IoT gateway: collects readings, keeps them, shows them and passes them on.
///
/// Without a command it runs the gateway.
#[derive(Debug, Parser)]
#[command(name = "iot-server", version = crate::BUILD_ID, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, infer_long_args = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop (SIGTERM, Ctrl-C)
    Run(RunArgs),
    /// Check the configuration, touching nothing; ends with 0, or 2 and what is wrong
    CheckConfig(RunArgs),
    /// Print configuration
    Config(ConfigArgs),
    /// Make, list and revoke API tokens; print a sign-in link
    Token(TokenArgs),
    /// List, show, rename and remove devices
    Device(DeviceArgs),
    /// List the kinds of plugins
    Plugin(PluginArgs),
}

/// Flags of the gateway.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    /// The configuration file (variable IOT_CONFIG); none is read where none is named
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder that holds everything the gateway keeps (variable IOT_DATA) [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The folder of plugins; a missing one is no error (variable IOT_PLUGINS) [default: ./plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// Where to listen for HTTP, instead of [http] listen; repeat it for more than one address
    #[arg(long, value_name = "ADDR", value_parser = address, value_delimiter = ',')]
    pub(crate) http: Vec<SocketAddr>,
    /// Where the embedded broker listens, instead of [mqtt] listen; "off" for no broker
    #[arg(long, value_name = "ADDR|off")]
    pub(crate) mqtt: Option<Listen>,
}

/// Which configuration to print.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print a commented file with every key and its default
    #[arg(long, required = true)]
    pub(crate) default: bool,
}

/// Where the gateway is that a command speaks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whose {
    /// The gateway's data folder (variable IOT_DATA) [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// The gateway's configuration file, read where no server runs (variable IOT_CONFIG)
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print the API's answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// `token …`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) whose: Whose,
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an API token and print its secret, which is shown this once
    Create {
        /// A name for it, unique among API tokens
        name: String,
        /// What it may do at most: each role includes the one before it
        #[arg(long, value_enum)]
        role: RoleArg,
        /// How long it is good for, as 12h, 30d or 52w; without it until it is revoked
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<u64>,
    },
    /// List tokens and sessions; never their secrets
    List,
    /// Revoke a token by its name or the id that `token list` shows
    Revoke {
        /// The token's name or id
        token: String,
    },
    /// Print a sign-in link for a browser, good for 15 minutes and one use
    Link,
}

/// `device …`.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    #[command(flatten)]
    pub(crate) whose: Whose,
    #[command(subcommand)]
    pub(crate) command: DeviceCommand,
}

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List devices
    List,
    /// Show one device with its sensors and their latest values
    Show {
        /// Its device_id
        device: String,
    },
    /// Give a device another name for people; its device_id stays
    Rename {
        /// Its device_id
        device: String,
        /// The new name
        name: String,
    },
    /// Remove a device; its readings stay unless --history is given
    Remove {
        /// Its device_id
        device: String,
        /// Remove its readings too, for good
        #[arg(long)]
        history: bool,
    },
}

/// `plugin …`.
#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    #[command(flatten)]
    pub(crate) whose: Whose,
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the kinds of plugins, from which instances are made
    List,
}

/// A token's role.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads
    Viewer,
    /// Reads and sends commands
    Operator,
    /// Everything
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Operator => Self::Operator,
            RoleArg::Admin => Self::Admin,
        }
    }
}

/// Reads `12h`, `30d`, `52w` as seconds.
fn lifetime(text: &str) -> Result<u64, String> {
    let rule = || format!("{text:?} must be a number and a unit, as 90m, 12h, 30d or 52w");
    let unit = text.chars().last().ok_or_else(rule)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(rule()),
    };
    let digits = text.strip_suffix(unit).ok_or_else(rule)?;
    let count: u64 = digits.parse().map_err(|_| rule())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(rule)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_run() {
        let cli = Cli::parse_from(["iot-server", "--data", "d", "--http", "127.0.0.1:1,[::1]:2"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.run.http.len(), 2);
        let cli = Cli::parse_from(["iot-server", "run", "--mqtt", "off"]);
        assert!(matches!(cli.command, Some(Command::Run(run)) if run.mqtt == Some(Listen::Off)));
        assert!(Cli::try_parse_from(["iot-server", "--http", "8080"]).is_err());
        let cli = Cli::parse_from(["iot-server", "token", "list", "--data", "d"]);
        assert!(matches!(cli.command, Some(Command::Token(token)) if token.whose.data.is_some()));
    }

    #[test]
    fn lifetimes_need_a_unit() {
        assert_eq!(lifetime("30d"), Ok(30 * 86_400));
        assert_eq!(lifetime("90m"), Ok(5_400));
        for text in ["", "30", "d", "-1d", "0d", "1.5h", "30dd", "99999999999999999w"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}

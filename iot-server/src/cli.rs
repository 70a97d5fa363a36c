//! Commands and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use iot_core::domain::Role;

use crate::config::{Listen, address};

/// An IoT gateway: collects readings, keeps them, shows them and passes them on.
///
/// Without a command it runs the gateway, as `run` does. Each start prints links by which a browser
/// signs in.
#[derive(Debug, Parser)]
#[command(name = "iot-server", version = crate::BUILD_ID, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, infer_long_args = false, after_help = NOTES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What concerns more than one command.
const NOTES: &str = "\
Configuration: defaults, then settings changed over the API, then the file of --config, then variables
(IOT_HTTP__LISTEN is listen in [http]), then flags; a later one decides.

The commands token, device and plugin speak to the server that runs on the data folder; where none
runs, they open the folder themselves.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop (SIGTERM, Ctrl-C)
    Run(RunArgs),
    /// Check the configuration and start nothing; a wrong one is said and ends with exit code 2
    CheckConfig(RunArgs),
    /// Print a commented configuration file to begin with
    Config(ConfigArgs),
    /// Make, list and revoke API tokens; print a sign-in link
    Token(TokenArgs),
    /// List, show, rename and remove devices
    Device(DeviceArgs),
    /// List the kinds of plugins that this gateway has
    Plugin(PluginArgs),
}

/// Flags of the gateway.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    /// The configuration file, in TOML (variable IOT_CONFIG) [default: none, every key has a default]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder that holds everything the gateway keeps, made where it is missing (variable
    /// IOT_DATA) [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The folder where you put plugins; it may be missing (variable IOT_PLUGINS) [default: ./plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// Where the page and the API are served; 0.0.0.0:8080 reaches the whole network, and more than
    /// one may be given [default: http.listen of the configuration, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = address, value_delimiter = ',')]
    pub(crate) http: Vec<SocketAddr>,
    /// Where the embedded MQTT broker listens, or "off" for none [default: mqtt.listen of the
    /// configuration, else 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR|off")]
    pub(crate) mqtt: Option<Listen>,
}

/// Which configuration to print.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print every key with its default and what it is for; save it as the file for --config
    #[arg(long, required = true)]
    pub(crate) default: bool,
}

/// Where the gateway is that a command speaks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whose {
    /// The gateway's data folder (variable IOT_DATA) [default: ./data]
    #[arg(long, value_name = "DIR", global = true, display_order = 100)]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file that the gateway is run with, needed only while it does not run
    /// (variable IOT_CONFIG)
    #[arg(long, value_name = "FILE", global = true, display_order = 101)]
    pub(crate) config: Option<PathBuf>,
    /// Print the API's answer as JSON, for scripts
    #[arg(long, global = true, display_order = 102)]
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
    /// Make a token for a program and print its secret, which is shown this once; it is sent as
    /// `Authorization: Bearer SECRET`
    Create {
        /// A name to know it by, as grafana; no other API token may bear it
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleArg,
        /// How long it is good for, as 90m, 12h, 30d or 52w [default: until it is revoked]
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<u64>,
    },
    /// List API tokens, sign-in links and sessions of browsers; never their secrets
    List,
    /// Revoke a token, so that it opens nothing from now on
    Revoke {
        /// An API token's name, or the id of any that `token list` shows
        token: String,
    },
    /// Print a link that signs a browser in as an admin, good for 15 minutes and one use
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
        /// Its device_id, as `device list` shows it
        device: String,
    },
    /// Give a device another name for people to read; its device_id stays
    Rename {
        /// Its device_id, as `device list` shows it
        device: String,
        /// The new name, in quotes where it has spaces
        name: String,
    },
    /// Remove a device; its readings stay unless --history is given
    Remove {
        /// Its device_id, as `device list` shows it
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
    /// List the kinds of plugins, of which instances are made (`kind` in an `[[instance]]` table)
    List,
}

/// A token's role.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads devices and readings
    Viewer,
    /// Reads, and sends commands to devices
    Operator,
    /// Everything: devices, plugins, settings and tokens too
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

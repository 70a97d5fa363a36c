//! The real `iot-server`, as an operator would start it.
//!
//! ```no_run
//! # use iot_testkit::servers::{IotServer, http::Request};
//! # use std::time::Duration;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let binary = "target/debug/iot-server"; // a test says env!("CARGO_BIN_EXE_iot-server")
//! let mut server = IotServer::builder(binary).config("[gateway]\nid = \"attic\"").start()?;
//! let token = server.admin_token()?;
//! let devices = Request::new("GET", "/api/v1/devices").bearer(&token).send(server.address())?;
//! assert_eq!(devices.status, 200);
//! server.kill9();
//! server.restart()?; // the same folder and ports
//! assert!(server.sigterm(Duration::from_secs(5))?.success());
//! # Ok(()) }
//! ```

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::error::{ServerError, ServerErrorKind};
use super::folder::TestFolder;
use super::http::{Request, Response};
use super::ports::free_ports;
use super::process::Process;
use crate::wait::{TimedOut, try_until_blocking};

const NAME: &str = "iot-server";
/// A start on a slow machine that does other things as well.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// What the server promises is 5 s; a restart is not where that is tested.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// The link is printed beside the listeners' start, not before it.
const LINK_WITHIN: Duration = Duration::from_secs(5);

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct IotServerBuilder {
    binary: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    config: Option<String>,
    mqtt: bool,
    ready_within: Duration,
}

impl IotServerBuilder {
    /// Adds a flag or a value after those for folders and ports.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable. None of the test's own `IOT_*` variables reach the server.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts it with this TOML file.
    #[must_use]
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = Some(toml.into());
        self
    }

    /// Gives its embedded broker a free port too; without it there is no broker.
    #[must_use]
    pub fn mqtt(mut self) -> Self {
        self.mqtt = true;
        self
    }

    /// Waits this long for it to be ready.
    #[must_use]
    pub fn ready_within(mut self, deadline: Duration) -> Self {
        self.ready_within = deadline;
        self
    }

    /// Starts it in a new folder on free ports and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends, or is not ready in time; with the last lines it wrote.
    pub fn start(self) -> Result<IotServer, ServerError> {
        let folder = TestFolder::new("iot")?;
        let [http, mqtt] = free_ports(NAME)?;
        for name in ["data", "plugins"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).map_err(|source| ServerError::file(NAME, path, source))?;
        }
        let place = Place {
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, http)),
            mqtt: self.mqtt.then_some(SocketAddr::from((Ipv4Addr::LOCALHOST, mqtt))),
            setup: self,
            folder,
        };
        Ok(IotServer { process: place.launch(1)?, starts: 1, place })
    }
}

/// A running `iot-server` with a data folder of its own; killed when dropped.
#[derive(Debug)]
pub struct IotServer {
    // Before `place`: a server is gone before its folder is.
    process: Process,
    starts: u32,
    place: Place,
}

/// What stays the same from start to start.
#[derive(Debug)]
struct Place {
    http: SocketAddr,
    mqtt: Option<SocketAddr>,
    setup: IotServerBuilder,
    folder: TestFolder,
}

impl IotServer {
    /// A server of this binary. A test of `iot-server` says `env!("CARGO_BIN_EXE_iot-server")`.
    pub fn builder(binary: impl Into<PathBuf>) -> IotServerBuilder {
        IotServerBuilder {
            binary: binary.into(),
            args: Vec::new(),
            env: Vec::new(),
            config: None,
            mqtt: false,
            ready_within: READY_WITHIN,
        }
    }

    /// Where it listens for HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.http
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.place.http)
    }

    /// Where its broker listens, if it was asked for.
    #[must_use]
    pub fn mqtt_address(&self) -> Option<SocketAddr> {
        self.place.mqtt
    }

    /// The folder that holds everything of its, and is its working directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.place.data_dir()
    }

    /// Its plugins folder.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.place.plugins_dir()
    }

    /// The process id of its last start.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it wrote to standard output since its last start.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// What it wrote to standard error since its last start.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// The token of the file `admin-token`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn admin_token(&self) -> Result<String, ServerError> {
        let path = self.data_dir().join("admin-token");
        match fs::read_to_string(&path) {
            Ok(token) => Ok(token.trim().to_owned()),
            Err(source) => Err(ServerError::file(NAME, path, source)),
        }
    }

    /// The sign-in link that this start printed for its loopback address,
    /// `http://127.0.0.1:PORT/#token=…`; printed only while there is no user.
    ///
    /// # Errors
    ///
    /// When none is printed within five seconds.
    pub fn sign_in_link(&self) -> Result<String, ServerError> {
        let start = format!("{}/#token=", self.base_url());
        try_until_blocking("a sign-in link is printed", LINK_WITHIN, || {
            find_link(&self.stdout(), &start)
                .or_else(|| find_link(&self.stderr(), &start))
                .ok_or_else(|| format!("no line with {start}"))
        })
        .map_err(|wait| timed_out(wait, &self.process))
    }

    /// GETs `path` without a credential; more is said with a [`Request`] sent to
    /// [`address`](Self::address).
    ///
    /// # Errors
    ///
    /// When the connection fails or the answer is not HTTP.
    pub fn get(&self, path: &str) -> std::io::Result<Response> {
        Request::new("GET", path).send(self.place.http)
    }

    /// `kill -9`, as a crash; returns when it is gone.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// When it is not running, or still runs after `deadline`.
    pub fn sigterm(&mut self, deadline: Duration) -> Result<ExitStatus, ServerError> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(deadline)
    }

    /// Starts it again on the same folder and ports, after stopping it where it runs, and waits
    /// until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not stop, or does not come back.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        if self.ended().is_none() {
            self.sigterm(STOP_WITHIN)?;
        }
        self.starts += 1;
        self.process = self.place.launch(self.starts)?;
        Ok(())
    }
}

impl Place {
    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn plugins_dir(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// Starts the server for the `nth` time and waits until it is ready.
    fn launch(&self, nth: u32) -> Result<Process, ServerError> {
        let name = format!("{NAME}-{nth}");
        let mut process = Process::start(&name, self.command()?, self.folder.path())?;
        let deadline = self.setup.ready_within;
        let waited = try_until_blocking("/health/ready answers 200", deadline, || {
            if let Some(status) = process.ended() {
                return Ok(Err(status)); // no use in waiting on
            }
            match Request::new("GET", "/health/ready").send(self.http) {
                Ok(answer) if answer.status == 200 => Ok(Ok(())),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
                Err(error) => Err(error.to_string()),
            }
        });
        match waited {
            Ok(Ok(())) => Ok(process),
            Ok(Err(status)) => {
                let said = process.last_lines();
                Err(ServerError::new(NAME, ServerErrorKind::Ended { status, said }))
            }
            Err(wait) => Err(timed_out(wait, &process)),
        }
    }

    fn command(&self) -> Result<Command, ServerError> {
        let mut command = Command::new(&self.setup.binary);
        command.current_dir(self.folder.path()).arg("run");
        command.arg("--data").arg(self.data_dir()).arg("--plugins").arg(self.plugins_dir());
        command.arg("--http").arg(self.http.to_string());
        // Its default is a fixed port, which another test may have.
        let mqtt = self.mqtt.map_or_else(|| "off".to_owned(), |address| address.to_string());
        command.arg("--mqtt").arg(mqtt);
        if let Some(config) = &self.setup.config {
            let path = self.folder.path().join("iot.toml");
            fs::write(&path, config).map_err(|source| ServerError::file(NAME, &path, source))?;
            command.arg("--config").arg(path);
        }
        command.args(&self.setup.args);
        // An `IOT_*` variable is configuration, and one of the test run's own would be refused.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("IOT_")) {
                command.env_remove(name);
            }
        }
        command.env_remove("NOTIFY_SOCKET");
        command.envs(self.setup.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

fn timed_out(wait: TimedOut, process: &Process) -> ServerError {
    let said = process.last_lines();
    ServerError::new(NAME, ServerErrorKind::TimedOut { wait, said })
}

/// The link that begins with `start`, up to the next character that is none of a token's.
fn find_link(text: &str, start: &str) -> Option<String> {
    let link = &text[text.find(start)?..];
    // A line still being written holds half a token: the character after it must be there.
    let end =
        link.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '\u{1b}'))?;
    Some(link[..end].to_owned())
}

#[cfg(test)]
mod tests;

//! Debian's mosquitto, as the outside broker of a test.
//!
//! ```no_run
//! # use iot_testkit::servers::Mosquitto;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut broker = Mosquitto::builder().line("max_packet_size 20000").start()?;
//! println!("publish to {}", broker.address());
//! broker.kill9(); // it forgets what it has not written
//! broker.restart()?; // the same port and folder
//! # Ok(()) }
//! ```

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::error::{ServerError, ServerErrorKind};
use super::folder::TestFolder;
use super::ports::free_ports;
use super::process::{Process, find_program};
use crate::wait::try_until_blocking;

const NAME: &str = "mosquitto";
const PACKAGE: &str = "mosquitto";
const DATABASE: &str = "mosquitto.db";
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(20);
const SAVE_WITHIN: Duration = Duration::from_secs(20);

/// What a broker is started with.
#[derive(Debug, Clone, Default)]
pub struct MosquittoBuilder {
    users: Vec<(String, String)>,
    acl: Option<String>,
    persistence: bool,
    lines: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
}

impl MosquittoBuilder {
    /// Lets this user in, and from then on nobody without a name.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// The text of its access control file.
    #[must_use]
    pub fn acl(mut self, text: impl Into<String>) -> Self {
        self.acl = Some(text.into());
        self
    }

    /// Keeps sessions, queued and retained messages in a file: written when it stops and by
    /// [`Mosquitto::save`], not at each message.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.persistence = true;
        self
    }

    /// Adds a line to its configuration, below its plain listener.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Listens for TLS too, at [`Mosquitto::tls_address`], with the PEM files of a certificate and
    /// its key.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Starts it in a new folder on free ports and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it is not installed, refuses its configuration or does not listen in time; with the
    /// last lines it wrote.
    pub fn start(self) -> Result<Mosquitto, ServerError> {
        let program = program()?;
        let folder = TestFolder::new(NAME)?;
        let [plain, tls] = free_ports(NAME)?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let place = Place {
            program,
            plain: local(plain),
            tls: self.tls.is_some().then(|| local(tls)),
            folder,
        };
        place.prepare(&self)?;
        Ok(Mosquitto { process: place.launch(1)?, starts: 1, place })
    }
}

/// A running mosquitto with a folder of its own; killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    // Before `place`: a broker is gone before its folder is.
    process: Process,
    starts: u32,
    place: Place,
}

/// What stays the same from start to start.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    folder: TestFolder,
}

impl Mosquitto {
    /// A broker that lets everybody in and keeps nothing, unless told otherwise.
    #[must_use]
    pub fn builder() -> MosquittoBuilder {
        MosquittoBuilder::default()
    }

    /// Where it listens without TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.plain
    }

    /// Where it listens with TLS, if it was asked for.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.place.tls
    }

    /// The process id of its last start.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// `kill -9`, as a crash; returns when it is gone.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Asks it to stop, which makes it write what it keeps, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it is not running or does not stop in time.
    pub fn stop(&mut self) -> Result<ExitStatus, ServerError> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(STOP_WITHIN)
    }

    /// Starts it again on the same folder and ports, after stopping it where it runs.
    ///
    /// # Errors
    ///
    /// When it does not stop, or does not come back.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        if self.ended().is_none() {
            self.stop()?;
        }
        self.starts += 1;
        self.process = self.place.launch(self.starts)?;
        Ok(())
    }

    /// SIGSTOP: it holds its connections and says nothing, as a half-open connection would.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn freeze(&mut self) -> Result<(), ServerError> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// SIGCONT: it goes on where it was frozen.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn thaw(&mut self) -> Result<(), ServerError> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Has a [persistent](MosquittoBuilder::persistent) broker write its database now, and waits
    /// until it has.
    ///
    /// # Errors
    ///
    /// When it is not running, or no database is written in time.
    pub fn save(&mut self) -> Result<(), ServerError> {
        let database = self.place.data_dir().join(DATABASE);
        // It writes beside it and renames: the file's number changes with each writing.
        let number =
            || fs::metadata(&database).map(|meta| std::os::unix::fs::MetadataExt::ino(&meta));
        let before = number().ok();
        self.process.signal(Signal::SIGUSR1)?;
        try_until_blocking("the database is written", SAVE_WITHIN, || match number() {
            Ok(now) if Some(now) != before => Ok(()),
            Ok(_) => Err("the old one".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .map_err(|wait| {
            let said = self.process.last_lines();
            ServerError::new(NAME, ServerErrorKind::TimedOut { wait, said })
        })
    }

    /// Removes all that it kept. A running broker would write it again as it stops: call it
    /// between [`kill9`](Self::kill9) or [`stop`](Self::stop) and [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn wipe(&self) -> Result<(), ServerError> {
        let database = self.place.data_dir().join(DATABASE);
        match fs::remove_file(&database) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ServerError::file(NAME, database, error))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("mosquitto.conf")
    }

    /// Writes its folder: configuration, users, access control.
    fn prepare(&self, setup: &MosquittoBuilder) -> Result<(), ServerError> {
        let data = self.data_dir();
        fs::create_dir(&data).map_err(|source| ServerError::file(NAME, &data, source))?;
        // As root it would become the user `mosquitto`, who may not write here; as anybody else it
        // passes the line over.
        let mut text = String::from("user root\n");
        let mut add = |line: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        add(format_args!("log_dest stderr"));
        add(format_args!("allow_anonymous {}", setup.users.is_empty()));
        add(format_args!("persistence {}", setup.persistence));
        if setup.persistence {
            add(format_args!("persistence_location {}/", data.display()));
        }
        if !setup.users.is_empty() {
            let file = self.folder.path().join("passwords");
            let lines: String =
                setup.users.iter().map(|(name, password)| format!("{name}:{password}\n")).collect();
            write(&file, &lines)?;
            hash_passwords(&file)?;
            add(format_args!("password_file {}", file.display()));
        }
        if let Some(acl) = &setup.acl {
            let file = self.folder.path().join("acl");
            write(&file, acl)?;
            add(format_args!("acl_file {}", file.display()));
        }
        add(format_args!("listener {} {}", self.plain.port(), self.plain.ip()));
        for line in &setup.lines {
            add(format_args!("{line}"));
        }
        if let (Some(address), Some((certificate, key))) = (self.tls, &setup.tls) {
            add(format_args!("listener {} {}", address.port(), address.ip()));
            add(format_args!("certfile {}", certificate.display()));
            add(format_args!("keyfile {}", key.display()));
        }
        write(&self.config(), &text)
    }

    /// Starts the broker for the `nth` time and waits until it listens.
    fn launch(&self, nth: u32) -> Result<Process, ServerError> {
        let name = format!("{NAME}-{nth}");
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).arg("-c").arg(self.config());
        let mut process = Process::start(&name, command, self.folder.path())?;
        let waited = try_until_blocking("it listens", READY_WITHIN, || {
            if let Some(status) = process.ended() {
                return Ok(Err(status)); // no use in waiting on
            }
            for address in [Some(self.plain), self.tls].into_iter().flatten() {
                TcpStream::connect(address)?;
            }
            Ok::<_, std::io::Error>(Ok(()))
        });
        match waited {
            Ok(Ok(())) => Ok(process),
            Ok(Err(status)) => {
                let said = process.last_lines();
                Err(ServerError::new(NAME, ServerErrorKind::Ended { status, said }))
            }
            Err(wait) => {
                let said = process.last_lines();
                Err(ServerError::new(NAME, ServerErrorKind::TimedOut { wait, said }))
            }
        }
    }
}

/// Debian puts it where only root's path leads.
fn program() -> Result<PathBuf, ServerError> {
    let in_sbin = Path::new("/usr/sbin").join(NAME);
    match find_program(NAME, PACKAGE) {
        Err(_) if in_sbin.exists() => Ok(in_sbin),
        found => found,
    }
}

fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    // Secrets may be in it, and the broker complains of files that others may read.
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .map_err(|source| ServerError::file(NAME, path, source))
}

/// Replaces the passwords in `file` by their hashes, the only form that the broker takes.
fn hash_passwords(file: &Path) -> Result<(), ServerError> {
    let name = "mosquitto_passwd";
    let output = Command::new(find_program(name, PACKAGE)?)
        .arg("-U")
        .arg(file)
        .output()
        .map_err(|source| ServerError::new(name, ServerErrorKind::Refused(source)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ServerError::new(name, ServerErrorKind::Ended { status: output.status, said }))
}

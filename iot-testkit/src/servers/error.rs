//! What can go wrong with a program that a test starts.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::wait::TimedOut;

/// A program that a test started, or wanted to, did not do what it should.
#[derive(Debug)]
pub struct ServerError {
    /// The program's name.
    pub server: String,
    /// What happened.
    pub kind: ServerErrorKind,
}

/// What happened to a program.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// It is not installed.
    Missing {
        /// The command that installs it.
        cure: String,
    },
    /// No port was free.
    NoPort,
    /// The operating system refused to start or to signal it.
    Refused(io::Error),
    /// A file of its could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended when it should have gone on.
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        said: String,
    },
    /// It did not do in time what was waited for.
    TimedOut {
        /// What was waited for, and what was seen instead.
        wait: TimedOut,
        /// The last lines that it wrote.
        said: String,
    },
    /// It is not running.
    NotRunning,
}

impl ServerError {
    pub(super) fn new(server: &str, kind: ServerErrorKind) -> Self {
        Self { server: server.to_owned(), kind }
    }

    pub(super) fn file(server: &str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::new(server, ServerErrorKind::File { path: path.into(), source })
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        match &self.kind {
            ServerErrorKind::Missing { cure } => write!(f, "{server} is missing: {cure}"),
            ServerErrorKind::NoPort => write!(f, "no free port for {server}"),
            ServerErrorKind::Refused(_) => {
                write!(f, "the operating system refused to start or signal {server}")
            }
            ServerErrorKind::File { path, .. } => {
                write!(f, "could not read or write {} of {server}", path.display())
            }
            ServerErrorKind::Ended { status, said } => {
                write!(f, "{server} ended with {status}\n{said}")
            }
            ServerErrorKind::TimedOut { wait, said } => write!(f, "{server}: {wait}\n{said}"),
            ServerErrorKind::NotRunning => write!(f, "{server} is not running"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ServerErrorKind::Refused(source) | ServerErrorKind::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

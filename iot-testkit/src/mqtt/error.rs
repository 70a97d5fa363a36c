//! What can go wrong with a client of a test.

use std::io;
use std::time::Duration;

/// A client did not get what it waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection could not be made, or broke.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The broker closed the connection, in order.
    #[error("the broker closed the connection{}", reason(*.0))]
    Closed(Option<u8>),
    /// The broker answered the CONNECT with this code.
    #[error("the broker refused the connection with code {0:#04x}")]
    Refused(u8),
    /// Nothing came in time.
    #[error("waited {waited:?} for {what}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
    },
    /// Something came that is not MQTT, or not at this time.
    #[error("the broker sent what it may not: {0}")]
    Protocol(String),
    /// What was to be sent is no MQTT packet.
    #[error("this cannot be sent: {0}")]
    Unsendable(String),
}

fn reason(code: Option<u8>) -> String {
    code.map_or_else(String::new, |code| format!(" with reason {code:#04x}"))
}

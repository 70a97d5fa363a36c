//! Links to other brokers, as the API and the metrics show them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::Origin;

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It is being set up.
    Connecting,
    /// It is up and has what there is.
    Live,
    /// It is up and behind.
    CatchingUp,
    /// It failed and waits before it tries again.
    BackingOff,
    /// A person halted it.
    Paused,
    /// The broker does not let it in, or does not let it do what it is for.
    Refused,
}

impl LinkState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Live,
        Self::CatchingUp,
        Self::BackingOff,
        Self::Paused,
        Self::Refused,
    ];

    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::CatchingUp => "catching_up",
            Self::BackingOff => "backing_off",
            Self::Paused => "paused",
            Self::Refused => "refused",
        }
    }
}

/// A link as it is shown; never its password.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkView {
    /// Its name.
    pub name: String,
    /// The broker's address, without user and password.
    pub url: String,
    /// The user it signs in as.
    pub username: Option<String>,
    /// Whose readings it is given: device ids, or `*`.
    pub devices: Vec<String>,
    /// What stands before each topic.
    pub prefix: String,
    /// The quality of service of its readings.
    pub qos: u8,
    /// How it spells readings.
    pub format: &'static str,
    /// Topic filters of the readings that it takes in.
    pub ingest: Vec<String>,
    /// Whether it takes in commands.
    pub commands: bool,
    /// Who made it.
    pub origin: Origin,
    /// Where it stands.
    pub state: LinkState,
    /// Why it stands there, where that needs a word.
    pub reason: Option<String>,
    /// Readings that are not acknowledged yet.
    pub lag: u64,
    /// The age of the oldest of them, in seconds; 0 where there is none.
    pub lag_s: f64,
    /// About how many bytes of the log they take.
    pub backlog_bytes: u64,
    /// Readings that the broker acknowledged, since the link was made.
    pub acknowledged: u64,
    /// Readings that the link lost, since it was made, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// The links of a gateway.
pub trait Links: Send + Sync {
    /// All of them, by name.
    fn links(&self) -> Vec<LinkView>;
}

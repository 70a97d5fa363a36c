//! Who asks, what for, and what was written down about it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DeviceId, Timestamp};

/// What a principal may do at most. Each includes the one before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and sends commands.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|r| r.word() == text)
    }
}

/// To which devices a principal's role reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of them, and the gateway itself.
    #[default]
    All,
    /// These alone, and nothing of the gateway.
    Devices(Vec<DeviceId>),
}

/// Who asks: a user, a token, a device, `local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// A name for the audit: `token:admin`, `local`.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// To which devices that reaches.
    pub scope: Scope,
}

impl Principal {
    /// Who reaches the gateway through its own machine's control socket or from inside its program.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), role: Role::Admin, scope: Scope::All }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look at devices, readings, states.
    Read,
    /// Send readings.
    Publish,
    /// Send a command to a device.
    Command,
    /// Change or delete a device, a sensor, its readings.
    Edit,
    /// Change the gateway: settings, instances, tokens; read the audit.
    Administer,
}

impl Action {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Command => "command",
            Self::Edit => "edit",
            Self::Administer => "administer",
        }
    }

    /// The least role that may do it.
    #[must_use]
    pub fn least_role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Publish | Self::Command => Role::Operator,
            Self::Edit | Self::Administer => Role::Admin,
        }
    }
}

/// What it is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// One device, its sensors, readings and commands.
    Device(&'a DeviceId),
    /// The gateway as a whole, or a list over all devices.
    Gateway,
}

/// The answer "no".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No credential, or one that is not known, has expired or was revoked.
    #[error("sign in: no valid token or session was given")]
    Unauthenticated,
    /// The principal's role or scope does not reach so far.
    #[error("{principal} may not {action} here: {why}")]
    Forbidden {
        /// Who asked.
        principal: String,
        /// What for.
        action: &'static str,
        /// What would be needed.
        why: String,
    },
    /// The store could not be asked; the answer is no until it can.
    #[error("access cannot be checked now, so it is denied")]
    Unavailable,
}

/// How somebody says who they are.
#[derive(Clone)]
pub enum Credential {
    /// A token's or session's secret.
    Secret(TokenSecret),
    /// Reached through the control socket, whose file rights are the check.
    Local,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(…)",
            Self::Local => "Local",
        })
    }
}

/// A secret as its holder sends it. Never stored, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// A fresh secret of 32 random bytes, as 64 hex digits.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    /// A secret that somebody sent.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, to hand it to its holder.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps in its place.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(hex(&Sha256::digest(self.0.as_bytes())))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        text.push_str(&format!("{b:02x}"));
        text
    })
}

/// SHA-256 of a secret, in hex; also the key by which a token is found and revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub String);

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// For programs; lives until it is revoked or expires.
    Api,
    /// A browser's session.
    Session,
    /// A sign-in link: good for 15 minutes and one use.
    Link,
}

impl TokenKind {
    /// The word outside.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Session => "session",
            Self::Link => "link",
        }
    }
}

/// A token as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// What is kept in the secret's place.
    pub hash: TokenHash,
    /// What it is for.
    pub kind: TokenKind,
    /// A name for people and the audit; unique among API tokens.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// To which devices that reaches.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; none for never.
    pub expires: Option<Timestamp>,
}

/// A row of the audit: who did what to what, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal: String,
    /// What: `device.edit`, `token.create`.
    pub action: String,
    /// To what: `device:attic`, `setting:time_zone`.
    pub target: String,
    /// `done`, `denied`, `failed`.
    pub outcome: String,
    /// What changed, without secrets.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_random_and_never_shown() {
        let a = TokenSecret::fresh().unwrap();
        let b = TokenSecret::fresh().unwrap();
        assert_ne!(a, b);
        assert_eq!(a.reveal().len(), 64);
        assert!(!format!("{a:?} {:?}", Credential::Secret(a.clone())).contains(a.reveal()));
        assert_eq!(a.hash(), TokenSecret::given(a.reveal()).hash());
        assert_ne!(a.hash().0, a.reveal());
    }
}

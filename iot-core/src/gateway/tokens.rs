//! Tokens, sessions and sign-in links: made, used up, revoked.

use std::time::Duration;

use super::edit::{EditError, on_disk};
use super::handle::Handle;
use crate::access::principal_of;
use crate::domain::{
    Denied, Principal, Role, Scope, TokenHash, TokenKind, TokenRecord, TokenSecret,
};
use crate::port::Change;

const LINK_LIVES: Duration = Duration::from_secs(15 * 60);
const SESSION_LIVES: Duration = Duration::from_secs(30 * 24 * 3600);

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for.
    pub kind: TokenKind,
    /// A name for people and the audit.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// To which devices that reaches.
    pub scope: Scope,
    /// How long it lives; none for its kind's own: links 15 minutes, sessions 30 days, API tokens
    /// until they are revoked.
    pub lifetime: Option<Duration>,
}

impl NewToken {
    /// A sign-in link for an administrator.
    #[must_use]
    pub fn link() -> Self {
        Self {
            kind: TokenKind::Link,
            name: "link".to_owned(),
            role: Role::Admin,
            scope: Scope::All,
            lifetime: None,
        }
    }
}

impl Handle {
    /// Makes a token. The secret is given this once and kept nowhere.
    ///
    /// # Errors
    /// When an API token of this name is on file, or the store cannot be written.
    pub async fn issue(
        &self,
        who: &Principal,
        new: NewToken,
    ) -> Result<(TokenSecret, TokenRecord), EditError> {
        let NewToken { kind, name, role, scope, lifetime } = new;
        if !(1..=64).contains(&name.chars().count()) {
            let detail = "must have 1 to 64 characters";
            return Err(EditError::Invalid(vec![crate::port::ConfigError::at("/name", detail)]));
        }
        let same = |t: &TokenRecord| t.kind == TokenKind::Api && t.name == name;
        if kind == TokenKind::Api && self.shared.tokens.all().iter().any(same) {
            return Err(EditError::Conflict(format!("there is a token named {name} already")));
        }
        let secret = TokenSecret::fresh()
            .map_err(|e| EditError::Store(format!("the system gave no random bytes: {e}")))?;
        let now = self.clock().wall;
        let lifetime = lifetime.or(match kind {
            TokenKind::Api => None,
            TokenKind::Session => Some(SESSION_LIVES),
            TokenKind::Link => Some(LINK_LIVES),
        });
        let token = TokenRecord {
            hash: secret.hash(),
            kind,
            name,
            role,
            scope,
            created: now,
            expires: lifetime.map(|d| now.plus(d)),
        };
        // A good moment to clear away what has expired: nobody waits for a row more or less.
        let mut changes: Vec<Change> = self
            .shared
            .tokens
            .expired()
            .into_iter()
            .filter(|hash| self.shared.tokens.take(hash).is_some())
            .map(Change::RemoveToken)
            .collect();
        changes.push(Change::PutToken(token.clone()));
        self.change(changes).await?;
        self.shared.tokens.put(token.clone());
        let target = format!("token:{}:{}", kind.word(), token.name);
        self.audit(who, "token.create", &target, "done", Some(role.word().to_owned())).await;
        Ok((secret, token))
    }

    /// Makes a session of a sign-in link, which is thereby used up.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`] for a link that is not known, was used or has expired.
    pub async fn redeem_link(
        &self,
        secret: &TokenSecret,
    ) -> Result<(TokenSecret, TokenRecord), Denied> {
        let hash = secret.hash();
        let link = self.shared.tokens.valid(&hash).filter(|token| token.kind == TokenKind::Link);
        let Some(link) = link else { return Err(Denied::Unauthenticated) };
        // Whoever takes it out of memory is the only one; it is gone from disk before the session
        // exists, so a crash in between costs a new link and never gives two sessions.
        if self.shared.tokens.take(&hash).is_none() {
            return Err(Denied::Unauthenticated);
        }
        let removed =
            on_disk(self.shared.queue.change(vec![Change::RemoveToken(hash)], true)).await;
        removed.map_err(|_| Denied::Unavailable)?;
        let session = self.session_of(&principal_of(&link), &link.name, SESSION_LIVES).await;
        session.map_err(|_| Denied::Unavailable)
    }

    /// Makes a session of an API token. It lives no longer than the token, and ends when the token is
    /// revoked. A session or a link makes none.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`] for a secret that is no API token's.
    pub async fn start_session(
        &self,
        secret: &TokenSecret,
    ) -> Result<(TokenSecret, TokenRecord), Denied> {
        let token = self.shared.tokens.valid(&secret.hash());
        let token = token.filter(|token| token.kind == TokenKind::Api);
        let token = token.ok_or(Denied::Unauthenticated)?;
        let now = self.clock().wall;
        let left = token.expires.map_or(SESSION_LIVES, |end| end.since(now).min(SESSION_LIVES));
        let session = self.session_of(&principal_of(&token), &token.name, left).await;
        session.map_err(|_| Denied::Unavailable)
    }

    async fn session_of(
        &self,
        principal: &Principal,
        name: &str,
        lifetime: Duration,
    ) -> Result<(TokenSecret, TokenRecord), EditError> {
        let new = NewToken {
            kind: TokenKind::Session,
            name: name.to_owned(),
            role: principal.role,
            scope: principal.scope.clone(),
            lifetime: Some(lifetime),
        };
        self.issue(principal, new).await
    }

    /// Revokes a token, session or link: from now on it opens nothing. With an API token go the
    /// sessions that were made of it. A store that cannot be written now takes it up when it can.
    ///
    /// # Errors
    /// When there is none, or it is not on disk yet.
    pub async fn revoke(&self, who: &Principal, hash: &TokenHash) -> Result<(), EditError> {
        let Some(token) = self.shared.tokens.take(hash) else {
            let name = hash.0.chars().take(16).collect();
            return Err(EditError::NotFound { what: "token", name });
        };
        let mut changes = vec![Change::RemoveToken(hash.clone())];
        if token.kind == TokenKind::Api {
            // API tokens' names are unique, and a session bears that of its token.
            let of_it = |t: &TokenRecord| t.kind == TokenKind::Session && t.name == token.name;
            for session in self.shared.tokens.all().into_iter().filter(of_it) {
                self.shared.tokens.take(&session.hash);
                changes.push(Change::RemoveToken(session.hash));
            }
        }
        let removed = on_disk(self.shared.queue.change(changes, true)).await;
        let target = format!("token:{}:{}", token.kind.word(), token.name);
        self.audit(who, "token.revoke", &target, "done", None).await;
        removed
    }

    /// All tokens, sessions and links on file, without their secrets.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRecord> {
        self.shared.tokens.all()
    }
}

//! Tokens, sessions and sign-in links: made, used up, revoked.

use std::time::Duration;

use super::edit::EditError;
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
        let removed = self.change(vec![Change::RemoveToken(hash)]).await;
        removed.map_err(|_| Denied::Unavailable)?;
        self.session_of(&principal_of(&link), &link.name).await.map_err(|_| Denied::Unavailable)
    }

    /// Makes a session for a principal that has shown a token.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn start_session(
        &self,
        principal: &Principal,
    ) -> Result<(TokenSecret, TokenRecord), EditError> {
        let name = principal.name.rsplit(':').next().unwrap_or("session").to_owned();
        self.session_of(principal, &name).await
    }

    async fn session_of(
        &self,
        principal: &Principal,
        name: &str,
    ) -> Result<(TokenSecret, TokenRecord), EditError> {
        let new = NewToken {
            kind: TokenKind::Session,
            name: name.to_owned(),
            role: principal.role,
            scope: principal.scope.clone(),
            lifetime: None,
        };
        self.issue(principal, new).await
    }

    /// Revokes a token, session or link: from now on it opens nothing.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke(&self, who: &Principal, hash: &TokenHash) -> Result<(), EditError> {
        let Some(token) = self.shared.tokens.take(hash) else {
            let name = hash.0.chars().take(16).collect();
            return Err(EditError::NotFound { what: "token", name });
        };
        self.change(vec![Change::RemoveToken(hash.clone())]).await?;
        let target = format!("token:{}:{}", token.kind.word(), token.name);
        self.audit(who, "token.revoke", &target, "done", None).await;
        Ok(())
    }

    /// All tokens, sessions and links on file, without their secrets.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRecord> {
        self.shared.tokens.all()
    }
}

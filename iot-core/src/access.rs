//! Who may do what, by tokens with roles and scopes. The store keeps only hashes; they are read
//! once at start and kept in memory, so asking costs no disk.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Action, Credential, Denied, Principal, Scope, Target, TokenHash, TokenKind, TokenRecord,
};
use crate::port::{Access, Clock};

/// How far behind a token's making the clock may stand.
const SLACK: Duration = Duration::from_secs(24 * 3600);

/// Decides by the tokens on file.
#[derive(Debug)]
pub struct TokenAccess {
    tokens: RwLock<HashMap<TokenHash, TokenRecord>>,
    clock: Arc<dyn Clock>,
}

impl TokenAccess {
    /// Access by these tokens.
    #[must_use]
    pub fn new(tokens: Vec<TokenRecord>, clock: Arc<dyn Clock>) -> Self {
        let tokens = tokens.into_iter().map(|token| (token.hash.clone(), token)).collect();
        Self { tokens: RwLock::new(tokens), clock }
    }

    pub(crate) fn put(&self, token: TokenRecord) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.hash.clone(), token);
    }

    /// Takes a token out; whoever gets it is the only one.
    pub(crate) fn take(&self, hash: &TokenHash) -> Option<TokenRecord> {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(hash)
    }

    /// A token that is on file and has not expired.
    pub(crate) fn valid(&self, hash: &TokenHash) -> Option<TokenRecord> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(hash)?;
        let now = self.clock.now().wall;
        // A clock that fell back to long before the token was made cannot say that it still lives.
        let fits = |end| now < end && now.plus(SLACK) > token.created;
        token.expires.is_none_or(fits).then(|| token.clone())
    }

    pub(crate) fn all(&self) -> Vec<TokenRecord> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = tokens.values().cloned().collect();
        all.sort_by(|a, b| (a.created, &a.hash).cmp(&(b.created, &b.hash)));
        all
    }

    /// Tokens that have expired, for removal.
    pub(crate) fn expired(&self) -> Vec<TokenHash> {
        let now = self.clock.now().wall;
        self.all()
            .into_iter()
            .filter(|token| token.expires.is_some_and(|end| end <= now))
            .map(|token| token.hash)
            .collect()
    }
}

/// The principal that a token speaks for.
#[must_use]
pub(crate) fn principal_of(token: &TokenRecord) -> Principal {
    Principal {
        name: format!("{}:{}", token.kind.word(), token.name),
        role: token.role,
        scope: token.scope.clone(),
    }
}

#[async_trait]
impl Access for TokenAccess {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, Denied> {
        match credential {
            Credential::Local => Ok(Principal::local()),
            Credential::Secret(secret) => match self.valid(&secret.hash()) {
                // A link is good for one session and for nothing else.
                Some(token) if token.kind != TokenKind::Link => Ok(principal_of(&token)),
                _ => Err(Denied::Unauthenticated),
            },
        }
    }

    fn allowed(
        &self,
        principal: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Result<(), Denied> {
        let forbidden = |why: String| {
            Err(Denied::Forbidden { principal: principal.name.clone(), action: action.word(), why })
        };
        let least = action.least_role();
        if principal.role < least {
            return forbidden(format!(
                "it has the role {}, and {} is needed",
                principal.role.word(),
                least.word()
            ));
        }
        match (&principal.scope, target) {
            (Scope::All, _) => Ok(()),
            (Scope::Devices(devices), Target::Device(device)) if devices.contains(device) => Ok(()),
            // Lists are cut to the scope by whoever makes them.
            (Scope::Devices(_), Target::Gateway) if action == Action::Read => Ok(()),
            (Scope::Devices(_), _) => forbidden("its scope names other devices".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::{DeviceId, Role, Timestamp, TokenSecret};

    fn token(secret: &TokenSecret, kind: TokenKind, expires: Option<Timestamp>) -> TokenRecord {
        TokenRecord {
            hash: secret.hash(),
            kind,
            name: "t".into(),
            role: Role::Viewer,
            scope: Scope::All,
            created: Timestamp::default(),
            expires,
        }
    }

    #[tokio::test]
    async fn links_expired_tokens_prefixes_and_hashes_open_nothing() {
        let [api, link, old] = [0; 3].map(|_| TokenSecret::fresh().unwrap());
        let access = TokenAccess::new(
            vec![
                token(&api, TokenKind::Api, None),
                token(&link, TokenKind::Link, None),
                token(&old, TokenKind::Api, Some(Timestamp::from_millis(1))),
            ],
            Arc::new(SystemClock::new(true)),
        );
        let ask = async |text: &str| {
            access.authenticate(&Credential::Secret(TokenSecret::given(text))).await
        };
        assert!(ask(api.reveal()).await.is_ok());
        for no in ["", &api.reveal()[..32], &api.hash().0, link.reveal(), old.reveal()] {
            assert_eq!(ask(no).await, Err(Denied::Unauthenticated));
        }
        assert_eq!(access.expired(), vec![old.hash()]);
    }

    #[test]
    fn roles_and_scopes_reach_as_far_as_they_say() {
        let access = TokenAccess::new(Vec::new(), Arc::new(SystemClock::new(true)));
        let [own, other] = ["own", "other"].map(|id| DeviceId::parse(id).unwrap());
        let who = |role, scope| Principal { name: "p".into(), role, scope };
        let viewer = who(Role::Viewer, Scope::All);
        assert!(access.allowed(&viewer, Action::Read, Target::Gateway).is_ok());
        assert!(access.allowed(&viewer, Action::Command, Target::Device(&own)).is_err());
        let operator = who(Role::Operator, Scope::Devices(vec![own.clone()]));
        assert!(access.allowed(&operator, Action::Command, Target::Device(&own)).is_ok());
        assert!(access.allowed(&operator, Action::Read, Target::Device(&other)).is_err());
        let admin = who(Role::Admin, Scope::Devices(vec![own]));
        assert!(access.allowed(&admin, Action::Administer, Target::Gateway).is_err());
    }
}

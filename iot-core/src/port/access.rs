//! Who asks, and whether they may. HTTP, WebSocket, broker and CLI ask the same port.

use async_trait::async_trait;

use crate::domain::{Action, Credential, Denied, Principal, Target};

/// Decides who somebody is and what they may do.
#[async_trait]
pub trait Access: Send + Sync {
    /// Finds the principal behind a credential.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`] for one that is unknown, expired or revoked;
    /// [`Denied::Unavailable`] where that cannot be found out: the answer is then no.
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, Denied>;

    /// Whether a principal may do something to something.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] with what would be needed.
    fn allowed(
        &self,
        principal: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Result<(), Denied>;
}

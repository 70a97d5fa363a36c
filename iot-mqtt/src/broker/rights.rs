//! Who a client is, and what it may do: asked of the gateway's `Access`, as by every other door.

use std::sync::Arc;

use iot_core::domain::{
    Action, Credential, Denied, DeviceId, GatewayId, Principal, Role, Scope, Target, TokenSecret,
};
use iot_core::port::Access;

use crate::topic::{Filter, Purpose, Topic, gateway_status};

/// Gives clients their rights.
#[derive(Clone)]
pub(crate) struct Gatekeeper {
    pub(crate) access: Arc<dyn Access>,
    pub(crate) gateway: GatewayId,
    /// Whether anonymous clients of this machine may send commands.
    pub(crate) local_commands: bool,
}

/// A client that was let in.
#[derive(Clone)]
pub(crate) struct Client {
    keeper: Gatekeeper,
    pub(crate) principal: Principal,
    /// What it signed in with; none for an anonymous one of this machine.
    credential: Option<Credential>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("principal", &self.principal.name).finish_non_exhaustive()
    }
}

/// What a client may do with a topic that it publishes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Allowed,
    /// It may not.
    Denied,
}

impl Gatekeeper {
    /// Lets a client in: by a token, given as its password, or without one from this machine.
    pub(crate) async fn admit(
        &self,
        password: Option<&[u8]>,
        named: bool,
        from_here: bool,
    ) -> Result<Client, Denied> {
        let Some(password) = password else {
            // A name without a token is not the name's owner.
            return if from_here && !named {
                Ok(self.local())
            } else {
                Err(Denied::Unauthenticated)
            };
        };
        let secret = std::str::from_utf8(password).map_err(|_| Denied::Unauthenticated)?;
        let credential = Credential::Secret(TokenSecret::given(secret));
        let principal = self.access.authenticate(&credential).await?;
        Ok(Client { keeper: self.clone(), principal, credential: Some(credential) })
    }

    /// The author of a will: what it may publish was asked when it connected.
    pub(crate) fn testator(&self, owner: &str) -> Client {
        let keeper = Self { local_commands: true, ..self.clone() };
        let principal =
            Principal { name: owner.to_owned(), role: Role::Operator, scope: Scope::All };
        Client { keeper, principal, credential: None }
    }

    fn local(&self) -> Client {
        let name = Principal::local().name;
        let principal = Principal { name, role: Role::Operator, scope: Scope::All };
        Client { keeper: self.clone(), principal, credential: None }
    }
}

impl Client {
    /// Whether it gave a token, which can be revoked.
    pub(crate) fn signed_in(&self) -> bool {
        self.credential.is_some()
    }

    /// Whether it may still be here: its token can have been revoked.
    pub(crate) async fn still(&self) -> bool {
        match &self.credential {
            None => true,
            // What cannot be found out now does not end a connection that was let in.
            Some(credential) => !matches!(
                self.keeper.access.authenticate(credential).await,
                Err(Denied::Unauthenticated)
            ),
        }
    }

    fn may(&self, action: Action, target: Target<'_>) -> Verdict {
        match self.keeper.access.allowed(&self.principal, action, target) {
            Ok(()) => Verdict::Allowed,
            Err(_) => Verdict::Denied,
        }
    }

    /// Whether it may send commands to a device.
    pub(crate) fn may_command(&self, device: &DeviceId) -> Verdict {
        if self.credential.is_none() && !self.keeper.local_commands {
            return Verdict::Denied;
        }
        self.may(Action::Command, Target::Device(device))
    }

    /// Whether it may publish to a topic. A name that is no device's is judged elsewhere.
    pub(crate) fn may_publish(&self, topic: &Topic, name: &str) -> Verdict {
        match topic {
            Topic::Device(device, purpose) => match purpose {
                Purpose::Data | Purpose::Status | Purpose::Result => {
                    self.may(Action::Publish, Target::Device(device))
                }
                Purpose::Commands => self.may_command(device),
                // The gateway alone says what it knows of a device.
                Purpose::Info => Verdict::Denied,
            },
            Topic::BadDevice(_) => Verdict::Allowed,
            Topic::Other if name == gateway_status(&self.keeper.gateway) => Verdict::Denied,
            Topic::Other => self.may(Action::Publish, Target::Gateway),
        }
    }

    /// Whether it may hear what passes a filter: everything, or its own devices' topics.
    pub(crate) fn may_subscribe(&self, filter: &Filter) -> bool {
        match &self.principal.scope {
            Scope::All => self.may(Action::Read, Target::Gateway) == Verdict::Allowed,
            Scope::Devices(devices) => devices.iter().any(|device| {
                let own = filter.as_str().strip_prefix("devices/");
                own.and_then(|rest| rest.strip_prefix(device.as_str()))
                    .is_some_and(|rest| rest.starts_with('/'))
                    && self.may(Action::Read, Target::Device(device)) == Verdict::Allowed
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use iot_core::access::TokenAccess;
    use iot_core::clock::SystemClock;
    use iot_core::domain::{Timestamp, TokenKind, TokenRecord};

    use super::*;

    fn keeper(tokens: Vec<TokenRecord>, local_commands: bool) -> Gatekeeper {
        Gatekeeper {
            access: Arc::new(TokenAccess::new(tokens, Arc::new(SystemClock::new(true)))),
            gateway: GatewayId::parse("gw").unwrap(),
            local_commands,
        }
    }

    fn of_pump(secret: &TokenSecret) -> TokenRecord {
        TokenRecord {
            hash: secret.hash(),
            kind: TokenKind::Api,
            name: "pump".into(),
            role: Role::Operator,
            scope: Scope::Devices(vec![DeviceId::parse("pump").unwrap()]),
            created: Timestamp::default(),
            expires: None,
        }
    }

    fn publish(client: &Client, name: &str) -> Verdict {
        client.may_publish(&Topic::parse(name), name)
    }

    #[tokio::test]
    async fn a_device_writes_its_own_topics_and_reads_its_own_commands() {
        let secret = TokenSecret::fresh().unwrap();
        let keeper = keeper(vec![of_pump(&secret)], true);
        let pump = keeper.admit(Some(secret.reveal().as_bytes()), true, false).await.unwrap();
        for own in ["devices/pump/data", "devices/pump/status", "devices/pump/commands/result"] {
            assert_eq!(publish(&pump, own), Verdict::Allowed, "{own}");
        }
        for other in ["devices/attic/data", "devices/pump/info", "home/door"] {
            assert_eq!(publish(&pump, other), Verdict::Denied, "{other}");
        }
        let may = |filter| pump.may_subscribe(&Filter::parse(filter).unwrap());
        assert!(may("devices/pump/commands"));
        assert!(may("devices/pump/#"));
        for no in ["devices/+/commands", "#", "devices/pump2/commands", "devices/pump"] {
            assert!(!may(no), "{no}");
        }
    }

    #[tokio::test]
    async fn nobody_without_a_token_is_let_in_from_afar_or_under_a_name() {
        let keeper = keeper(Vec::new(), true);
        assert!(keeper.admit(None, false, true).await.is_ok());
        assert!(keeper.admit(None, false, false).await.is_err());
        assert!(keeper.admit(None, true, true).await.is_err());
        assert!(keeper.admit(Some(b"guess"), true, true).await.is_err());
        assert!(keeper.admit(Some(b"\xff"), true, true).await.is_err());
    }

    #[tokio::test]
    async fn commands_of_anonymous_clients_are_a_setting() {
        let command = "devices/pump/commands";
        let open = keeper(Vec::new(), true).admit(None, false, true).await.unwrap();
        assert_eq!(publish(&open, command), Verdict::Allowed);
        let shut = keeper(Vec::new(), false).admit(None, false, true).await.unwrap();
        assert_eq!(publish(&shut, command), Verdict::Denied);
        assert_eq!(publish(&shut, "devices/pump/data"), Verdict::Allowed);
        assert_eq!(publish(&open, "gateways/gw/status"), Verdict::Denied);
        assert_eq!(publish(&open, "gateways/other/status"), Verdict::Allowed);
    }
}

use iot_core::domain::{Principal, Role, Scope, TokenKind};
use iot_core::gateway::NewToken;
use iot_mqtt::config::BrokerConfig;
use iot_testkit::mqtt::{ClientError, Connect, Message, QoS, Version};

use super::kit::{Rig, VERSIONS, data, device, local};

async fn token(rig: &Rig, name: &str, scope: Scope) -> (String, iot_core::domain::TokenRecord) {
    let new = NewToken {
        kind: TokenKind::Api,
        name: name.to_owned(),
        role: Role::Operator,
        scope,
        lifetime: None,
    };
    let (secret, record) = rig.gateway.issue(&Principal::local(), new).await.unwrap();
    (secret.reveal().to_owned(), record)
}

#[tokio::test]
async fn a_devices_token_opens_its_own_topics_and_no_others() {
    let rig = Rig::start("access-device").await;
    let (secret, _) = token(&rig, "pump", Scope::Devices(vec![device("pump")])).await;
    for version in VERSIONS {
        let connect = Connect::new(version, "pump").user("pump", secret.clone());
        let mut pump = connect.open(rig.address()).await.unwrap();
        pump.publish_and_wait(data("pump", r#"{"t":1}"#)).await.unwrap();
        let code = pump.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
        assert_eq!(code, if version == Version::V5 { 0x87 } else { 0 });
        assert_eq!(pump.subscribe("devices/pump/commands", QoS::AtLeastOnce).await.unwrap(), 1);
        for filter in ["devices/+/commands", "#", "$share/g/devices/attic/data"] {
            let code = pump.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
            assert_eq!(code, if version == Version::V5 { 0x87 } else { 0x80 }, "{filter}");
        }
    }
    assert_eq!(rig.refused("not_allowed"), 2);
    assert!(rig.gateway.device(&device("attic")).is_none());
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_on_this_machine() {
    let rig = Rig::start("access-wrong").await;
    for version in VERSIONS {
        let guess = Connect::new(version, "x").user("admin", "guess").open(rig.address()).await;
        let code = if version == Version::V5 { 0x86 } else { 4 };
        assert!(matches!(guess, Err(ClientError::Refused(c)) if c == code), "{guess:?}");
        let empty = Connect::new(version, "x").user("", "").open(rig.address()).await;
        assert!(empty.is_ok(), "nothing is no claim");
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_client_whose_token_is_revoked_is_told_to_go() {
    let rig = Rig::start("access-revoked").await;
    let (secret, record) = token(&rig, "pump", Scope::All).await;
    let connect = Connect::v5("pump").user("pump", secret);
    let mut pump = connect.open(rig.address()).await.unwrap();
    rig.gateway.revoke(&Principal::local(), &record.hash).await.unwrap();
    assert_eq!(pump.expect_end().await.unwrap(), Some(0x87));
    rig.gateway.stop().await;
}

#[tokio::test]
async fn commands_of_anonymous_clients_can_be_switched_off() {
    let config = BrokerConfig { local_commands: false, ..local() };
    let rig = Rig::with("access-commands", config, |builder| builder).await;
    let mut client = rig.client(Version::V5, "x").await;
    let command = Message::new("devices/pump/commands", r#"{"name":"set"}"#);
    assert_eq!(client.publish_and_wait(command.clone()).await.unwrap(), 0x87);
    let will = Connect::v5("will").will(command).open(rig.address()).await;
    assert!(matches!(will, Err(ClientError::Refused(0x87))), "a will is no way around it");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_client_id_taken_by_another_connection_is_told_so() {
    let rig = Rig::start("access-taken").await;
    let mut first = rig.client(Version::V5, "same").await;
    let mut second = rig.client(Version::V3, "same").await;
    assert_eq!(first.expect_end().await.unwrap(), Some(0x8E));
    second.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
    rig.gateway.stop().await;
}

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use iot_mqtt::config::{BrokerConfig, TlsFiles};
use iot_testkit::mqtt::{ClientError, Connect, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};

use super::kit::{Rig, VERSIONS, WITHIN, data, local};

/// A CONNECT of MQTT 3.1.1 without session, from the client `x`.
const CONNECT: [u8; 15] = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'x'];
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];
const REFUSED: [u8; 4] = [0x20, 2, 0, 5];

/// An address of this machine that is not loopback, where it has one.
fn far() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this asks the kernel which address it would use.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn beyond_loopback_nobody_is_let_in_without_a_token() {
    let Some(ip) = far() else { return };
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let config = BrokerConfig { plain_beyond_loopback: true, ..BrokerConfig::on([everywhere]) };
    let rig = Rig::with("far", config, |builder| builder).await;
    let port = rig.address().port();
    for version in VERSIONS {
        let code = if version == Version::V5 { 0x87 } else { 5 };
        // From this machine too: who listens everywhere cannot tell a proxy from a neighbour.
        for address in [SocketAddr::new(ip, port), SocketAddr::from(([127, 0, 0, 1], port))] {
            let open = Connect::new(version, "x").open(address).await;
            assert!(matches!(open, Err(ClientError::Refused(c)) if c == code), "{open:?}");
        }
    }
    rig.gateway.stop().await;
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured_and_demands_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: folder.path().join("cert"), key: folder.path().join("key") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let config = BrokerConfig {
        listen_tls: vec!["127.0.0.1:0".parse().unwrap()],
        tls: Some(files),
        ..BrokerConfig::default()
    };
    let rig = Rig::with("tls", config, |builder| builder).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(rig.addresses.tls()[0]).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(&CONNECT).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, REFUSED, "a listener for others lets nobody in unnamed");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn browsers_speak_mqtt_over_websocket() {
    let websocket = vec!["127.0.0.1:0".parse().unwrap()];
    let rig = Rig::with("ws", BrokerConfig { websocket, ..local() }, |builder| builder).await;
    let address = rig.addresses.websocket()[0];
    let ask = |origin: Option<&str>| {
        let mut request = format!("ws://{address}/mqtt").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        request
    };
    let foreign = tokio_tungstenite::connect_async(ask(Some("https://evil.example"))).await;
    assert!(foreign.is_err(), "a page of another site is kept out");
    let page = ask(Some("http://127.0.0.1:8080"));
    let (mut socket, answer) = tokio_tungstenite::connect_async(page).await.unwrap();
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "mqtt");
    // Frames and packets need not begin together.
    let (one, two) = CONNECT.split_at(5);
    socket.send(Message::Binary(one.to_vec().into())).await.unwrap();
    let mut rest = two.to_vec();
    rest.extend([0xC0, 0]);
    socket.send(Message::Binary(rest.into())).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 6 {
        let frame = tokio::time::timeout(WITHIN, socket.next()).await.unwrap().unwrap().unwrap();
        got.extend_from_slice(&frame.into_data());
    }
    assert_eq!(got, [&WELCOME[..], &[0xD0, 0]].concat(), "CONNACK and PINGRESP");
    rig.gateway.stop().await;
}

#[tokio::test]
async fn who_says_nothing_or_garbage_is_not_kept_and_harms_nobody() {
    let rig = Rig::start("garbage").await;
    let mut neighbour = rig.client(Version::V3, "neighbour").await;
    let mut garbage = TcpStream::connect(rig.address()).await.unwrap();
    garbage.write_all(&[0xFF; 4_096]).await.unwrap();
    let mut left = Vec::new();
    let end = tokio::time::timeout(WITHIN, garbage.read_to_end(&mut left)).await.unwrap();
    assert!(end.is_err() || left.is_empty(), "{left:?}");
    let mut silent = TcpStream::connect(rig.address()).await.unwrap();
    let end = tokio::time::timeout(WITHIN, silent.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_or(0), 0, "a CONNECT that never comes is not waited for");
    neighbour.publish_and_wait(data("attic", r#"{"t":1}"#)).await.unwrap();
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_is_not_heard_of_is_gone_after_one_and_a_half_of_its_time() {
    let rig = Rig::start("keep-alive").await;
    let mut client = Connect::v5("quiet").keep_alive(1).open(rig.address()).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(client.expect_end().await.unwrap(), Some(0x8D));
    assert!(began.elapsed() >= Duration::from_millis(1_400), "{:?}", began.elapsed());
    rig.gateway.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_said_and_does_not_stop_the_gateway() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let rig = Rig::with("taken", BrokerConfig::on([address]), |builder| builder).await;
    let view = rig.gateway.broker().unwrap();
    let said = format!("{:?}", view.state);
    assert!(said.contains("is taken by another program"), "{said}");
    rig.gateway.submit(super::kit::reading("attic", 0, 1.0)).await.unwrap();
    rig.gateway.stop().await;
}

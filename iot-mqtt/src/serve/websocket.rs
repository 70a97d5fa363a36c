//! MQTT over WebSocket: frames to a stream of bytes and back.
//!
//! A browser's page of another site may not use it: `Host` must be an address or `localhost`, and
//! an `Origin`, which browsers always send, must be of that same host or be allowed by name.

use std::net::IpAddr;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// What lies between the frames and the broker.
const BUFFER: usize = 64 << 10;

/// Upgrades a connection; what is wrong with it is told to the client.
pub(super) async fn upgrade(
    stream: TcpStream,
    origins: &[String],
    largest: usize,
) -> Result<WebSocketStream<TcpStream>, Box<Error>> {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(largest);
    config.max_frame_size = Some(largest);
    // The signature is the library's: its refusal is a whole answer.
    #[expect(
        clippy::result_large_err,
        reason = "the library's callback returns an answer by value"
    )]
    let check = |request: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
        if !may_use(request.headers(), origins) {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "this page may not use the broker; add its origin to [http] origins",
            ));
        }
        let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        let offered = offered.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !offered.split(',').any(|protocol| protocol.trim() == "mqtt") {
            let why = "the WebSocket subprotocol must be mqtt";
            return Err(refusal(StatusCode::BAD_REQUEST, why));
        }
        let mqtt = HeaderValue::from_static("mqtt");
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, mqtt);
        Ok(answer)
    };
    tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config))
        .await
        .map_err(Box::new)
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut answer = ErrorResponse::new(Some(why.to_owned()));
    *answer.status_mut() = status;
    answer
}

/// Whether a request comes from a program, or from a page that may.
fn may_use(headers: &HeaderMap, origins: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return true };
    if origins.iter().any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some(host) = text(header::HOST).map(name_of) else { return false };
    let ours = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok();
    let from = origin.split_once("://").map_or("", |(_, host)| name_of(host));
    ours && from.eq_ignore_ascii_case(host)
}

/// A host without its port and without the brackets of IPv6.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    }
}

/// Carries bytes both ways until one side ends.
pub(super) async fn carry(socket: WebSocketStream<TcpStream>, broker: DuplexStream) {
    let (mut to_client, mut from_client) = socket.split();
    let (mut from_broker, mut to_broker) = tokio::io::split(broker);
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            match message {
                Message::Binary(bytes) => {
                    if to_broker.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                // MQTT travels in binary frames alone; pings are answered by the library.
                Message::Text(_) | Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0_u8; BUFFER];
        while let Ok(n) = from_broker.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..n).filter(|bytes| !bytes.is_empty()) else { break };
            let frame = Message::Binary(Bytes::copy_from_slice(bytes));
            if to_client.send(frame).await.is_err() {
                break;
            }
        }
        // The other side may be gone already.
        drop(to_client.close().await);
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}

/// A stream for the broker, and its other end for [`carry`].
pub(super) fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_page_is_kept_out_and_a_program_is_not() {
        let ask = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            may_use(&headers, &["https://dash.example".to_owned()])
        };
        assert!(ask("127.0.0.1:8083", None));
        assert!(ask("127.0.0.1:8083", Some("http://127.0.0.1:8080")));
        assert!(ask("[::1]:8083", Some("http://[::1]:8080")));
        assert!(ask("127.0.0.1:8083", Some("https://dash.example")));
        assert!(!ask("127.0.0.1:8083", Some("https://evil.example")));
        assert!(!ask("evil.example:8083", Some("http://evil.example")), "a name that was rebound");
        assert!(!ask("127.0.0.1:8083", Some("null")));
    }
}

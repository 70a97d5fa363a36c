//! MQTT 3.1.1: the library's types to and from ours.

use rumqttc_v4 as mqtt;
use rumqttc_v4::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Packet, PublishOptions, QoS, SessionMode, SubscribeReasonCode, Transport,
};

use super::client::{
    Ack, CONNECT, Client, Dial, End, EndKind, Events, Facts, IN_FLIGHT, Incoming, Inner,
    PROTOCOL_MAXIMUM, Polled, READ_BATCH, REQUESTS, Session, WRITE_BATCH,
};
use super::message::{Answer, Answered, Lost, Message};

fn options(dial: &Dial) -> MqttOptions {
    let (host, port) = (dial.address.host.clone(), dial.address.port);
    let mut options = MqttOptions::new(&dial.client_id, mqtt::Broker::tcp(&host, port));
    let mode = if dial.keep { SessionMode::Persistent } else { SessionMode::Clean };
    options
        .set_session_mode(mode)
        .set_keep_alive(dial.keep_alive_s)
        // A broker of this version cannot be told a limit: what the library refused would come
        // again for ever. It is received, dropped and acknowledged instead.
        .set_max_packet_size(PROTOCOL_MAXIMUM, PROTOCOL_MAXIMUM)
        .set_inflight(IN_FLIGHT)
        .set_max_request_batch(WRITE_BATCH)
        .set_read_batch_size(READ_BATCH)
        .set_ack_mode(mqtt::AckMode::Manual)
        .set_last_will(LastWill::new(&dial.will, "offline", QoS::AtLeastOnce, true))
        .set_socket_connector(move |_, _| Dial::socket(host.clone(), port));
    match (&dial.username, &dial.password) {
        (Some(name), Some(password)) => drop(options.set_credentials(name, password.clone())),
        (Some(name), None) => drop(options.set_username(name)),
        (None, _) => {}
    }
    if let Some(tls) = &dial.tls {
        options.set_transport(Transport::tls_with_config(tls.clone()));
    }
    options
}

/// Connects.
pub(super) async fn open(dial: &Dial) -> Result<Session, End> {
    let built = AsyncClient::builder(options(dial)).capacity(REQUESTS).try_build();
    let (client, mut events) = built.map_err(|error| End::lost(error.to_string()))?;
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT.as_secs());
    events.set_network_options(network);
    let connack = match events.poll().await {
        Ok(Event::Incoming(Packet::ConnAck(connack))) => connack,
        Ok(_) => return Err(End::lost("the broker did not answer with CONNACK")),
        Err(error) => return Err(end(error)),
    };
    let facts = Facts::new(None, true, dial.keep && !connack.session_present);
    let client = Client { inner: Inner::V4(client), facts };
    Ok(Session::start(client, Loop(events), dial))
}

struct Loop(EventLoop);

impl Events for Loop {
    async fn poll(&mut self) -> Result<Polled, End> {
        match self.0.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                Ok(Polled::Message(Box::new(incoming(publish))))
            }
            Ok(Event::Incoming(_)) => Ok(Polled::Sign),
            Ok(_) => Ok(Polled::Own),
            Err(error) => Err(end(error)),
        }
    }
}

fn incoming(publish: mqtt::Publish) -> Incoming {
    let ack = match publish.qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => Some(Ack::V4(mqtt::ManualAck::PubAck(mqtt::PubAck::new(publish.pkid)))),
        QoS::ExactlyOnce => Some(Ack::V4(mqtt::ManualAck::PubRec(mqtt::PubRec::new(publish.pkid)))),
    };
    Incoming { ack, ..Incoming::new(&publish.topic, publish.payload, publish.retain, publish.dup) }
}

/// Why a connection ended, or was not made.
fn end(error: ConnectionError) -> End {
    use ConnectReturnCode as Code;
    match error {
        ConnectionError::ConnectionRefused(code) => {
            let why = format!("the broker refused the connection: {code:?}");
            match code {
                Code::RefusedProtocolVersion => {
                    End::of(EndKind::Version, "the broker does not speak MQTT 3.1.1")
                }
                Code::ServiceUnavailable | Code::Success => End::lost(why),
                Code::BadClientId | Code::BadUserNamePassword | Code::NotAuthorized => {
                    End::of(EndKind::Refused, why)
                }
            }
        }
        error => End::lost(error.to_string()),
    }
}

/// Publishes, once there is room in the library's queue.
pub(super) async fn publish(client: &AsyncClient, message: &Message) -> Result<Answered, Lost> {
    let options = PublishOptions::new(QoS::AtLeastOnce).retain(message.retain);
    let queued =
        client.publish_tracked(message.topic.as_str(), message.payload.clone(), options).await;
    let notice = match queued {
        Ok(notice) => notice,
        Err(mqtt::ClientError::InvalidRequest(_)) => {
            return Ok(Box::pin(async { Answer::Refused("its topic is none".to_owned()) }));
        }
        Err(_) => return Err(Lost),
    };
    Ok(Box::pin(async move {
        match notice.wait_async().await {
            Ok(_) => Answer::Acknowledged,
            Err(_) => Answer::Lost,
        }
    }))
}

/// Subscribes, and waits for the broker's word.
pub(super) async fn subscribe(client: &AsyncClient, filter: &str) -> Result<(), Option<String>> {
    let sent = client.subscribe_tracked(filter.to_owned(), QoS::AtLeastOnce).await;
    let ack = sent.map_err(|_| None)?.wait_async().await.map_err(|_| None)?;
    match ack.return_codes.first() {
        Some(SubscribeReasonCode::Success(_)) => Ok(()),
        Some(SubscribeReasonCode::Failure) => Err(Some("the broker does not allow it".to_owned())),
        None => Err(Some("the broker's answer was empty".to_owned())),
    }
}

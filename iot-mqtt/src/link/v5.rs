//! MQTT 5: the library's types to and from ours.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc_v5 as mqtt;
use rumqttc_v5::{
    AsyncClient, ConnectProperties, ConnectReturnCode, ConnectionError, DisconnectReasonCode,
    Event, EventLoop, LastWill, MqttOptions, Packet, PersistedAckMode, PersistedSession,
    PubAckReason, PublishOptions, PublishProperties, PublishResult, QoS, SessionStore,
    SessionStoreError, SessionStoreKey, StateError, SubscribeReasonCode, Transport,
};
use tokio::time::Instant;

use super::client::{
    Ack, CONNECT, Client, Dial, End, EndKind, Events, Facts, IN_FLIGHT, Incoming, Inner,
    LARGEST_PACKET, Polled, READ_BATCH, RECEIVE_MAXIMUM, REQUESTS, SESSION_EXPIRY, Session,
    WRITE_BATCH,
};
use super::message::{Answer, Answered, Lost, Message};

/// What the library wants of a store; it does not give the type a name outside.
type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// The session's beginning, as the library wants to see one before it goes on with a session that
/// the broker kept: nothing was in flight, for all of that is published anew.
#[derive(Debug)]
struct NothingInFlight(PersistedSession);

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> Stored<'a, Option<PersistedSession>> {
        Box::pin(async { Ok(Some(self.0.clone())) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Stored<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Stored<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn options(dial: &Dial) -> MqttOptions {
    let (host, port) = (dial.address.host.clone(), dial.address.port);
    let mut options = MqttOptions::new(&dial.client_id, mqtt::Broker::tcp(&host, port));
    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    properties.max_packet_size = Some(LARGEST_PACKET);
    properties.session_expiry_interval = dial.keep.then_some(SESSION_EXPIRY);
    options
        .set_connect_properties(properties)
        .set_clean_start(!dial.keep)
        .set_keep_alive(dial.keep_alive_s)
        .set_connect_timeout(CONNECT)
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_request_batch(WRITE_BATCH)
        .set_read_batch_size(READ_BATCH)
        .set_ack_mode(mqtt::AckMode::Manual)
        .set_last_will(LastWill::new(&dial.will, "offline", QoS::AtLeastOnce, true, None))
        .set_socket_connector(move |_, _| Dial::socket(host.clone(), port));
    match (&dial.username, &dial.password) {
        (Some(name), Some(password)) => drop(options.set_credentials(name, password.clone())),
        (Some(name), None) => drop(options.set_username(name)),
        (None, _) => {}
    }
    if let Some(tls) = &dial.tls {
        options.set_transport(Transport::tls_with_config(tls.clone()));
    }
    if dial.keep {
        options.set_session_store(NothingInFlight(PersistedSession {
            format_version: 1,
            client_id: dial.client_id.clone(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_EXPIRY),
            outgoing_inflight_upper_limit: Some(IN_FLIGHT),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        }));
    }
    options
}

/// Connects.
pub(super) async fn open(dial: &Dial) -> Result<Session, End> {
    let built = AsyncClient::builder(options(dial)).capacity(REQUESTS).try_build();
    let (client, mut events) = built.map_err(|error| End::lost(error.to_string()))?;
    let connack = match events.poll().await {
        Ok(Event::Incoming(Packet::ConnAck(connack))) => connack,
        Ok(_) => return Err(End::lost("the broker did not answer with CONNACK")),
        Err(error) => return Err(end(error, true)),
    };
    // Kept, it would be given a copy of all that is in flight with each packet.
    events.options.clear_session_store();
    let properties = connack.properties.as_ref();
    if properties.is_some_and(|p| p.max_qos == Some(0)) {
        return Err(End::of(EndKind::Refused, "the broker takes QoS 0 only, which loses readings"));
    }
    let facts = Facts::new(
        properties.and_then(|p| p.max_packet_size),
        properties.is_none_or(|p| p.retain_available != Some(0)),
        dial.keep && !connack.session_present,
    );
    let client = Client { inner: Inner::V5(client.clone()), facts };
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
            Err(error) => Err(end(error, false)),
        }
    }
}

fn incoming(publish: mqtt::Publish) -> Incoming {
    let ack = match publish.qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => {
            Some(Ack::V5(mqtt::ManualAck::PubAck(mqtt::PubAck::new(publish.pkid, None))))
        }
        QoS::ExactlyOnce => {
            Some(Ack::V5(mqtt::ManualAck::PubRec(mqtt::PubRec::new(publish.pkid, None))))
        }
    };
    let properties = publish.properties.unwrap_or_default();
    let left = properties.message_expiry_interval.map(|s| Duration::from_secs(u64::from(s)));
    Incoming {
        expires: left.map(|left| Instant::now() + left),
        response: properties.response_topic,
        correlation: properties.correlation_data,
        ack,
        ..Incoming::new(&publish.topic, publish.payload, publish.retain, publish.dup)
    }
}

/// Why a connection ended, or was not made.
fn end(error: ConnectionError, connecting: bool) -> End {
    use ConnectReturnCode as Code;
    match error {
        ConnectionError::ConnectionRefused(code) => {
            let why = format!("the broker refused the connection: {code:?}");
            match code {
                Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
                    End::of(EndKind::Version, "the broker does not speak MQTT 5")
                }
                Code::ServiceUnavailable
                | Code::ServerUnavailable
                | Code::ServerBusy
                | Code::QuotaExceeded
                | Code::ConnectionRateExceeded
                | Code::UnspecifiedError => End::lost(why),
                _ => End::of(EndKind::Refused, why),
            }
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let said = reason_string.map(|text| format!(" ({text})")).unwrap_or_default();
            match reason_code {
                DisconnectReasonCode::SessionTakenOver => {
                    End::of(EndKind::Taken, "another client connected with this link's client id")
                }
                DisconnectReasonCode::NotAuthorized => End::of(
                    EndKind::Refused,
                    format!("the broker ended the connection: not authorized{said}"),
                ),
                code => End::lost(format!("the broker ended the connection: {code:?}{said}")),
            }
        }
        // A broker of 3.1.1 may answer in its own form, for the rest of which the library then
        // waits in vain, or just hang up.
        error @ (ConnectionError::Timeout(_)
        | ConnectionError::MqttState(
            StateError::Deserialization(_) | StateError::ConnectionAborted,
        )) if connecting => End::of(
            EndKind::Version,
            format!("the broker did not answer as one of MQTT 5 does: {error}"),
        ),
        error => End::lost(error.to_string()),
    }
}

/// Publishes, once there is room in the library's queue.
pub(super) async fn publish(client: &AsyncClient, message: &Message) -> Result<Answered, Lost> {
    let user = message.user.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let properties = PublishProperties {
        user_properties: user,
        correlation_data: message.correlation.clone(),
        ..PublishProperties::default()
    };
    let options =
        PublishOptions::new(QoS::AtLeastOnce).retain(message.retain).properties(properties);
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
            Ok(PublishResult::Qos1(ack)) => answer(ack.reason),
            Ok(_) => Answer::Acknowledged,
            Err(_) => Answer::Lost,
        }
    }))
}

/// Some reasons are of this message, and it would meet them again; the others are of the moment.
fn answer(reason: PubAckReason) -> Answer {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Answer::Acknowledged,
        PubAckReason::NotAuthorized
        | PubAckReason::TopicNameInvalid
        | PubAckReason::PayloadFormatInvalid => Answer::Refused(format!("{reason:?}")),
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse
        | PubAckReason::QuotaExceeded => Answer::Lost,
    }
}

/// Subscribes, and waits for the broker's word.
pub(super) async fn subscribe(
    client: &AsyncClient,
    filter: &str,
    as_published: bool,
) -> Result<(), Option<String>> {
    let filter = mqtt::SubscribeFilter {
        preserve_retain: as_published,
        ..mqtt::SubscribeFilter::new(filter, QoS::AtLeastOnce)
    };
    let sent = client.subscribe_many_tracked([filter]).await;
    let ack = sent.map_err(|_| None)?.wait_async().await.map_err(|_| None)?;
    match ack.return_codes.first() {
        Some(SubscribeReasonCode::Success(_)) => Ok(()),
        Some(code) => Err(Some(format!("{code:?}"))),
        None => Err(Some("the broker's answer was empty".to_owned())),
    }
}

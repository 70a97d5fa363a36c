//! Packets of MQTT 3 as those of MQTT 5, which are the only ones that the broker thinks in.

use rmqtt_codec::types::QoS;
use rmqtt_codec::{v3, v5};

use super::session::answer;

/// What a client of MQTT 3 sent.
pub(super) fn up(packet: v3::Packet) -> v5::Packet {
    match packet {
        v3::Packet::Connect(connect) => v5::Packet::Connect(Box::new(connect_up(*connect))),
        v3::Packet::Publish(publish) => v5::Packet::Publish(publish),
        v3::Packet::PublishAck { packet_id } => {
            v5::Packet::PublishAck(answer(packet_id, v5::PublishAckReason::Success))
        }
        v3::Packet::PublishReceived { packet_id } => {
            v5::Packet::PublishReceived(answer(packet_id, v5::PublishAckReason::Success))
        }
        v3::Packet::PublishRelease { packet_id } => {
            v5::Packet::PublishRelease(second(packet_id, v5::PublishAck2Reason::Success))
        }
        v3::Packet::PublishComplete { packet_id } => {
            v5::Packet::PublishComplete(second(packet_id, v5::PublishAck2Reason::Success))
        }
        v3::Packet::Subscribe { packet_id, topic_filters } => {
            let filters = topic_filters.into_iter().map(|(filter, qos)| {
                (filter, v5::SubscriptionOptions { qos, ..v5::SubscriptionOptions::default() })
            });
            v5::Packet::Subscribe(v5::Subscribe {
                packet_id,
                id: None,
                user_properties: Vec::new(),
                topic_filters: filters.collect(),
            })
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            v5::Packet::Unsubscribe(v5::Unsubscribe {
                packet_id,
                user_properties: Vec::new(),
                topic_filters,
            })
        }
        v3::Packet::PingRequest => v5::Packet::PingRequest,
        v3::Packet::Disconnect => v5::Packet::Disconnect(v5::Disconnect::default()),
        // A server's packets never get here: their type is refused with their header.
        v3::Packet::PingResponse
        | v3::Packet::ConnectAck(_)
        | v3::Packet::SubscribeAck { .. }
        | v3::Packet::UnsubscribeAck { .. } => v5::Packet::PingResponse,
    }
}

fn connect_up(connect: v3::Connect) -> v5::Connect {
    v5::Connect {
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        // A session that is not clean stays: for how long is the broker's setting.
        session_expiry_interval_secs: if connect.clean_session { 0 } else { u32::MAX },
        last_will: connect.last_will.map(|will| v5::LastWill {
            qos: will.qos,
            retain: will.retain,
            topic: will.topic,
            message: will.message,
            will_delay_interval_sec: None,
            correlation_data: None,
            message_expiry_interval: None,
            content_type: None,
            user_properties: Vec::new(),
            is_utf8_payload: None,
            response_topic: None,
        }),
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        ..v5::Connect::default()
    }
}

/// A PUBREL or PUBCOMP.
pub(super) fn second(
    packet_id: std::num::NonZeroU16,
    reason_code: v5::PublishAck2Reason,
) -> v5::PublishAck2 {
    v5::PublishAck2 { packet_id, reason_code, properties: Vec::new(), reason_string: None }
}

/// What a client of MQTT 3 is sent; none where its protocol has no such packet, and the connection
/// just closes.
pub(super) fn down(packet: v5::Packet) -> Option<v3::Packet> {
    Some(match packet {
        v5::Packet::ConnectAck(ack) => v3::Packet::ConnectAck(v3::ConnectAck {
            return_code: return_code(ack.reason_code),
            session_present: ack.session_present,
        }),
        v5::Packet::Publish(mut publish) => {
            publish.properties = None;
            v3::Packet::Publish(publish)
        }
        v5::Packet::PublishAck(ack) => v3::Packet::PublishAck { packet_id: ack.packet_id },
        v5::Packet::PublishReceived(ack) => {
            v3::Packet::PublishReceived { packet_id: ack.packet_id }
        }
        v5::Packet::PublishRelease(ack) => v3::Packet::PublishRelease { packet_id: ack.packet_id },
        v5::Packet::PublishComplete(ack) => {
            v3::Packet::PublishComplete { packet_id: ack.packet_id }
        }
        v5::Packet::SubscribeAck(ack) => v3::Packet::SubscribeAck {
            packet_id: ack.packet_id,
            status: ack.status.into_iter().map(granted).collect(),
        },
        v5::Packet::UnsubscribeAck(ack) => v3::Packet::UnsubscribeAck { packet_id: ack.packet_id },
        v5::Packet::PingResponse => v3::Packet::PingResponse,
        v5::Packet::Disconnect(_)
        | v5::Packet::Auth(_)
        | v5::Packet::Connect(_)
        | v5::Packet::Subscribe(_)
        | v5::Packet::Unsubscribe(_)
        | v5::Packet::PingRequest => return None,
    })
}

fn return_code(reason: v5::ConnectAckReason) -> v3::ConnectAckReason {
    match reason {
        v5::ConnectAckReason::Success => v3::ConnectAckReason::ConnectionAccepted,
        v5::ConnectAckReason::UnsupportedProtocolVersion => {
            v3::ConnectAckReason::UnacceptableProtocolVersion
        }
        v5::ConnectAckReason::ClientIdentifierNotValid => v3::ConnectAckReason::IdentifierRejected,
        v5::ConnectAckReason::BadUserNameOrPassword => v3::ConnectAckReason::BadUserNameOrPassword,
        v5::ConnectAckReason::NotAuthorized | v5::ConnectAckReason::Banned => {
            v3::ConnectAckReason::NotAuthorized
        }
        _ => v3::ConnectAckReason::ServiceUnavailable,
    }
}

fn granted(reason: v5::SubscribeAckReason) -> v3::SubscribeReturnCode {
    match reason {
        v5::SubscribeAckReason::GrantedQos0 => v3::SubscribeReturnCode::Success(QoS::AtMostOnce),
        v5::SubscribeAckReason::GrantedQos1 => v3::SubscribeReturnCode::Success(QoS::AtLeastOnce),
        v5::SubscribeAckReason::GrantedQos2 => v3::SubscribeReturnCode::Success(QoS::ExactlyOnce),
        _ => v3::SubscribeReturnCode::Failure,
    }
}

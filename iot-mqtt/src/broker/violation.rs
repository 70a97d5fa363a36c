//! What a client did against the protocol, and the protocol's own answer to it.

use rmqtt_codec::v5::{ConnectAck, ConnectAckReason, Disconnect, DisconnectReasonCode, Packet};

/// Something that the protocol answers by closing the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Violation {
    /// Its code in MQTT 5.
    pub(crate) reason: DisconnectReasonCode,
    /// What a CONNACK says, where that is something else; MQTT 3 is told only this.
    pub(crate) refusal: Option<ConnectAckReason>,
    /// What it was, for the log.
    pub(crate) what: &'static str,
}

impl Violation {
    pub(crate) const fn new(reason: DisconnectReasonCode, what: &'static str) -> Self {
        Self { reason, refusal: None, what }
    }

    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self::new(DisconnectReasonCode::MalformedPacket, what)
    }

    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self::new(DisconnectReasonCode::ProtocolError, what)
    }

    /// Of a CONNECT.
    pub(crate) const fn refused(reason: ConnectAckReason, what: &'static str) -> Self {
        Self { reason: DisconnectReasonCode::ProtocolError, refusal: Some(reason), what }
    }

    /// The DISCONNECT that says so; a client of MQTT 3 just sees its connection close.
    #[must_use]
    pub(crate) fn disconnect(&self) -> Packet {
        Packet::Disconnect(Disconnect::new(self.reason))
    }

    /// The CONNACK that says so, where the connection was not accepted yet.
    #[must_use]
    pub(crate) fn connack(&self) -> Packet {
        let reason = self.refusal.unwrap_or_else(|| {
            ConnectAckReason::try_from(u8::from(self.reason))
                .unwrap_or(ConnectAckReason::UnspecifiedError)
        });
        Packet::ConnectAck(refusal(reason))
    }
}

/// A CONNACK that refuses.
#[must_use]
pub(crate) fn refusal(reason_code: ConnectAckReason) -> Box<ConnectAck> {
    Box::new(ConnectAck { reason_code, ..ConnectAck::default() })
}

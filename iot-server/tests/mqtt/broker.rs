//! The two brokers that every client meets.

use std::net::SocketAddr;

use iot_testkit::servers::{IotServer, Mosquitto, TestFolder};

/// What a client can be told to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V3,
    V5,
}

/// A running broker with nothing in it.
#[derive(Debug)]
pub(crate) enum Broker {
    Ours(IotServer),
    Reference(Mosquitto),
}

impl Broker {
    /// The embedded broker of the real program, as it comes.
    pub(crate) fn ours() -> Self {
        Self::Ours(IotServer::builder(env!("CARGO_BIN_EXE_iot-server")).mqtt().start().unwrap())
    }

    /// Debian's mosquitto. Without a limit it would take packets of any size.
    pub(crate) fn reference() -> Self {
        Self::Reference(Mosquitto::builder().line("max_packet_size 262144").start().unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.mqtt_address().unwrap(),
            Self::Reference(mosquitto) => mosquitto.address(),
        }
    }
}

/// Where clients leave what they say.
pub(crate) fn folder() -> TestFolder {
    TestFolder::new("clients").unwrap()
}

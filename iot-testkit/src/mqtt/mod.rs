//! MQTT for tests and benchmarks: a client that does as it is told, and a recorder between a client
//! and its broker.
//!
//! The [`Client`] is no client for products: it never connects again, keeps no session of its own
//! and pings only when asked. What it sends may be wrong on purpose.

mod client;
mod connect;
mod error;
mod flood;
mod packet;
mod recorder;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use connect::{Connack, Connect, Version, Will};
pub use error::ClientError;
pub use flood::{Flood, Load, Publication, flood_many};
pub use packet::{Message, Packet, Properties};
pub use recorder::{RecordedPublish, Recorder, Recording};
pub use rmqtt_codec::types::QoS;
pub use rmqtt_codec::v5::{RetainHandling, SubscriptionOptions};

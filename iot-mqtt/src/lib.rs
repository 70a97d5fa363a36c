//! MQTT of the gateway: an embedded broker that acknowledges what is on disk, and links to other
//! brokers that lose nothing.
//!
//! - [`Mqtt`]: the layer
//! - [`config`]: what the embedded broker is told
//! - [`link`]: links to other brokers
//! - [`topic`]: the topics of the gateway, and how a filter matches one
//! - [`command`]: commands and their results as payloads

mod broker;
pub mod command;
pub mod config;
#[doc(hidden)]
pub mod fuzz;
mod layer;
pub mod link;
mod serve;
pub mod topic;
mod waiters;

pub use layer::{Addresses, Mqtt};

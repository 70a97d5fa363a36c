//! MQTT of the gateway: an embedded broker that acknowledges what is on disk, and links to other
//! brokers that lose nothing.
//!
//! - [`topic`]: the topics of the gateway, and how a filter matches one
//! - [`command`]: commands and their results as payloads
//! - [`config`]: what the embedded broker is told
//! - [`link`]: links to other brokers

mod broker;
pub mod command;
#[doc(hidden)]
pub mod fuzz;
pub mod config;
pub mod link;
pub mod topic;

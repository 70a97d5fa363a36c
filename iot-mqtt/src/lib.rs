//! MQTT of the gateway: an embedded broker that acknowledges what is on disk, and links to other
//! brokers that lose nothing.
//!
//! - [`topic`]: the topics of the gateway, and how a filter matches one

mod broker;
#[doc(hidden)]
pub mod fuzz;
pub mod topic;

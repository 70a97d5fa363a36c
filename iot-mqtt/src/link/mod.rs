//! Links to other brokers.

mod client;
pub mod config;
mod message;
mod messages;
mod progress;
mod v4;
mod v5;

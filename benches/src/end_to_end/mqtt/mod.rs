//! The server with its embedded broker, as it is run; mosquitto beside it, for comparison.

pub(crate) mod drain;
pub(crate) mod flood;
mod gateway;
pub(crate) mod lone;
mod readings;

pub(crate) use gateway::Gateway;

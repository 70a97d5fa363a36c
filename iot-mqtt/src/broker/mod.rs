//! The embedded broker. Its protocol is state without sockets ([`state`]); [`hub`] puts it between
//! connections and the gateway.

pub(crate) mod codec;
pub(crate) mod commands;
pub(crate) mod connect;
pub(crate) mod deliver;
pub(crate) mod drive;
mod frame;
pub(crate) mod hub;
pub(crate) mod limits;
pub(crate) mod message;
mod outgoing;
pub(crate) mod receive;
pub(crate) mod retained;
pub(crate) mod rights;
pub(crate) mod session;
pub(crate) mod sort;
pub(crate) mod state;
pub(crate) mod subscriptions;
mod translate;
pub(crate) mod violation;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use hub::{Hub, Seat};

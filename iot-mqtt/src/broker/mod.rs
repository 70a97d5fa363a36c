//! The embedded broker.

pub(crate) mod codec;
pub(crate) mod connect;
pub(crate) mod deliver;
pub(crate) mod drive;
mod frame;
pub(crate) mod limits;
pub(crate) mod message;
mod outgoing;
pub(crate) mod receive;
pub(crate) mod retained;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod subscriptions;
mod translate;
pub(crate) mod violation;
mod write;

#[cfg(test)]
mod tests;

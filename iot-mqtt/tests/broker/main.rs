#![cfg(test)]
//! The embedded broker's promises, through real sockets, with a gateway in memory behind it.

mod access;
mod acknowledgement;
mod commands;
mod kit;
mod publications;
mod readings;
mod transports;

//! The layer as its users meet it: a whole gateway on a store in memory, through real sockets.
#![cfg(test)]

mod access;
mod commands;
mod data;
mod end;
mod front;
mod kit;
mod lists;
mod live;
mod mqtt;
mod problems;
mod resources;
mod session;
mod slow;

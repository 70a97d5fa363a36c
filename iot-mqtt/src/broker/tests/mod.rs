//! The state's promises, seen through bytes as clients see them.

mod client;
mod codec;
mod delivery;
mod model;
mod sessions;
mod subscribing;

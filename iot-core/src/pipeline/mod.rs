//! A reading's way, in order, and a command's way back. Each file's head says what comes in, what
//! goes out, where its bound is, what happens when it is full, and which counter moves.

pub(crate) mod bus;
pub(crate) mod catalogue;
pub(crate) mod command;
pub mod cursor;
pub(crate) mod intake;
pub(crate) mod latest;
pub mod policy;
pub(crate) mod presence;
pub(crate) mod queue;
pub(crate) mod refused;
pub(crate) mod writer;

pub use bus::{Live, LiveBatch, Position, Received, Subscription};
pub use catalogue::{DeviceView, Limits, SensorView};
pub use command::CommandError;
pub use intake::Unknown;
pub use refused::RefusedMessage;

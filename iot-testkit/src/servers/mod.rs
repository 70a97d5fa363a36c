//! Real programs for tests: on free ports, in folders that go away, ended with the test.
//!
//! Each starter follows one pattern: find the program (a missing one is an error with the command
//! that installs it, never a skip), give it a [`TestFolder`] and [`free_ports`], start it as a
//! [`Process`], wait until it answers. Starters block the calling thread; what they start runs
//! beside it.

pub mod chromium;
mod error;
mod folder;
pub mod http;
mod iot_server;
mod mosquitto;
mod ports;
mod process;
mod proxy;

pub use error::{ServerError, ServerErrorKind};
pub use folder::TestFolder;
pub use iot_server::{IotServer, IotServerBuilder};
pub use mosquitto::{Mosquitto, MosquittoBuilder};
pub use ports::free_ports;
pub use process::{Process, find_program};
pub use proxy::{Proxy, Side, Tap};

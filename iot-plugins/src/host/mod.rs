//! The host: runs each instance on a thread of its own, so that a driver may block, panic or hang
//! and hurts nobody else.
//!
//! ```text
//! ThreadHost -+- supervisor (a task) - - starts, watches, restarts - - -> thread "iot-cellar"
//!             |                                                            current-thread runtime
//!             +- commands -> queue of 16 -> turns -> plugin -> RunDesk -> the gateway's desk
//! ```
//!
//! - `limits`, `restart`, `schedule`, `pulse`: values and state machines that are told the time
//! - `instance`: one instance: what it is, where it stands, its queue of commands
//! - `lease`: the right of one run to speak for its instance; an abandoned thread has lost it
//! - `turns`, `thread`: one run, on its own thread
//! - `supervisor`: starts runs, watches them and decides what follows a failure
//! - `thread_host`: the port

mod instance;
mod lease;
mod limits;
mod pulse;
mod restart;
mod schedule;
mod supervisor;
mod thread;
mod thread_host;
mod turns;

pub use limits::Limits;
pub use restart::RestartPolicy;
pub use thread_host::ThreadHost;

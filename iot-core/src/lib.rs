//! The hub of the IoT gateway kit: the words, the ports and the pipeline. Whoever writes a plugin,
//! a store or a layer depends on this crate and on no other of ours.
//!
//! It holds no database, network or hardware code, installs no global and ends no process; it runs
//! on the caller's tokio, and several gateways fit in one program.
//!
//! ```text
//! device -> plugin -> intake -+-> live bus -> latest values, subscribers   (at once)
//!                             +-> writer -> log (committed) -> cursors     (durable)
//! ```
//!
//! A gateway in a few lines (`examples/ten_lines.rs` runs; `iot-storage` brings the scheme
//! `sqlite`, `iot-plugins` the host):
//!
//! ```no_run
//! # async fn gateway() -> Result<(), iot_core::gateway::StartError> {
//! use iot_core::gateway::Gateway;
//!
//! let running = Gateway::builder()
//!     .store("sqlite:data/iot.db")
//!     .poll_fn("my-sensor", |out| out.number("level", 0.5))
//!     .start()
//!     .await?;
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`domain`]: the words as types; parsed once at the edge, trusted inside
//! - [`port`]: the traits that a spoke implements
//! - [`pipeline`]: a reading's way, in order: intake, bus, writer, cursor; and a command's way back
//! - [`ledger`]: what became of each reading
//! - [`mod@format`]: how devices and readings are spelled outside
//! - [`access`]: who may do what, by roles, scopes and tokens
//! - [`gateway`]: composition as a library: builder, handle, ordered stop
//! - [`adapter`]: a Rust type or a closure as a plugin kind
//! - [`registry`]: what crates register, found by name at start
//! - [`schema`]: JSON Schema of configurations and commands, checked
//! - [`format`](mod@format): readings as the payloads of MQTT, read and written
//! - [`grid`]: bucket widths and calendar edges
//! - [`clock`]: the machine's clock, and when it can be trusted
//! - [`task`]: every task has a name, an owner and an end
//! - [`report`]: an error and its causes as one line

pub mod access;
pub mod adapter;
pub mod clock;
pub mod domain;
pub mod format;
pub mod gateway;
pub mod grid;
pub mod ledger;
pub mod pipeline;
pub mod port;
pub mod registry;
pub mod report;
pub mod schema;
pub mod task;

#[doc(hidden)]
pub use inventory;

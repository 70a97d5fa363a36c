//! The SQLite store of the IoT gateway kit: log, history and registry in one file that the plain
//! `sqlite3` shell can read beside the running gateway.
//!
//! It takes no decision of the pipeline: what is committed and when is the writer's business in
//! `iot-core`, and nothing here touches the network or a device.
//!
//! ```text
//! writer -> log (one row a commit, in the open segment's table) -> history, cursors, SQL views
//! ```
//!
//! Name the crate once in the program and the gateway finds the scheme `sqlite`:
//!
//! ```
//! use iot_storage as _;
//!
//! # fn main() -> Result<(), iot_core::registry::RegistryError> {
//! let registered = iot_core::registry::Registered::collect()?;
//! assert_eq!(registered.store("sqlite:iot.db")?.name, "sqlite");
//! # Ok(())
//! # }
//! ```
//!
//! - [`sqlite`]: the store behind `sqlite:PATH`

pub mod sqlite;

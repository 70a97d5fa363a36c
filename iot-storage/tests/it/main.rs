//! The SQLite store from outside: through its ports, and through plain SQL beside it.

#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

mod conformance;
mod faults;
mod opening;
mod segments;
mod sql;
mod world;

//! The SQLite store from outside: through its ports, and through plain SQL beside it.

mod conformance;
mod faults;
mod opening;
mod segments;
mod sql;
mod world;

//! Links to other brokers: each reads the log at its own pace and loses nothing.

pub mod config;

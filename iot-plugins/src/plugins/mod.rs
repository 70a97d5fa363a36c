//! The plugins that are built in, a folder each.

pub mod host;

//! Version 1: one file a resource. Who may call what is said in the list of routes, not here.

pub(crate) mod audit;
pub(crate) mod commands;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod diagnostics;
mod export;
pub(crate) mod instances;
pub(crate) mod mqtt_links;
pub(crate) mod plugins;
mod secrets;
pub(crate) mod sensors;
mod series;
pub(crate) mod session;
pub(crate) mod settings;
mod span;
pub(crate) mod tokens;

//! The host with plugins that misbehave, and the built-in plugins, as a gateway would run them.
#![cfg(test)]

mod commands;
mod conformance;
mod host_plugin;
mod isolation;
mod lifecycle;
mod rig;
mod specimens;

//! Configuration: defaults < stored settings < TOML file < `IOT_*` variables < flags.
//!
//! Four steps, each on the values of the one before: `file` and `env` parse their source on its own,
//! so that an error names its line or its variable; `merge` lays one over the other and remembers
//! where each value came from; `check` says what is wrong beyond single values, without touching the
//! world. Every key stands once in `keys`.

mod check;
mod env;
mod fault;
mod file;
mod json;
mod keys;
mod merge;
pub(crate) mod model;
mod mqtt;
mod suggest;
mod value;

pub(crate) use check::check;
pub(crate) use env::Environment;
pub(crate) use fault::Fault;
pub(crate) use merge::{Loaded, Sources};
pub(crate) use model::Config;
pub(crate) use value::{Listen, address};

/// The commented file that `config --default` prints.
pub(crate) const DEFAULT: &str = include_str!("default.toml");

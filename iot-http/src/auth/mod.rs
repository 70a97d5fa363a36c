//! Who asks, found before anything else is looked at; whether they may is asked of the core's port.

mod brake;
mod cookie;
mod identify;
mod rule;

pub(crate) use brake::Brake;
pub(crate) use cookie::{clear, set};
pub(crate) use identify::{Presented, identify};
pub(crate) use rule::enforce;

//! What every request passes first and every answer last, whatever serves it.

mod cross;
mod envelope;
mod names;

pub(crate) use envelope::envelope;
pub(crate) use names::{Names, check};

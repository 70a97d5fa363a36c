//! Parts of the world under a test's control.

mod clock;
pub mod desk;
pub mod turns;

pub use clock::SimClock;

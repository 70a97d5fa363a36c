//! Composition as a library: a builder, the handle that layers and programs use, an ordered stop.

mod builder;
mod desk;
mod edit;
mod handle;
mod inlet;
mod refused;
mod running;
mod settings;
mod start;
mod status;
mod tokens;

pub use builder::{Builder, Gateway};
pub use edit::{DeviceEdit, EditError, NewDevice, SensorEdit};
pub use handle::{GatewayInfo, Handle};
pub use inlet::{Inlet, Pending};
pub use running::Running;
pub use start::StartError;
pub use status::{Diagnostics, KindView, StoreState};
pub use tokens::NewToken;

//! The ports: what a spoke implements, and what it may use of the gateway.

mod access;
mod broker;
mod clock;
mod history;
mod host;
mod layer;
mod link;
mod log;
mod plugin;
mod registry;
mod store;

pub use access::Access;
pub use broker::{BrokerFigures, BrokerState, BrokerView};
pub use clock::{Clock, Reckoning};
pub use history::{
    Bucket, BucketPage, Buckets, Grid, History, HistoryError, PAGE, RawPage, Resume,
};
pub use host::{CommandRoute, Launch, PluginHost, Unready};
pub use layer::{Layer, LayerCx, LayerError};
pub use link::{LinkState, LinkView, Links};
pub use log::{
    Change, Commit, Committed, CursorMove, CursorName, Figures, Log, LogError, LogErrorKind,
    LogPage, Logged, Removed,
};
pub use plugin::{
    AnnounceError, Asked, ConfigError, Desk, DynPlugin, KindInfo, OpenCx, OpenError, Opening,
    Plugin, PluginKind, PollError, Receipt, Retry, Schedule, SubmitError, Turn, TurnSource, Turns,
};
pub use registry::{Page, Registry, RegistryError, StoredDevice};
pub use store::{Keeper, Store, StoreError, StoreOptions, Synchronous, Usage};

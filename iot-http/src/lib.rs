//! From the gateway to people: REST, WebSocket, metrics and the web page, as one [`Layer`].
//!
//! It decides nothing about readings, devices or rights: it asks the gateway's [`Handle`] and its
//! access port, and says the answer in HTTP. It knows no other crate of the kit than `iot-core`.
//!
//! ```text
//! live bus, catalogue, history, registry -> this crate -> programs, browsers, `iot-server …`
//! ```
//!
//! ```no_run
//! # async fn gateway() -> Result<(), iot_core::gateway::StartError> {
//! use iot_core::gateway::Gateway;
//! use iot_http::Http;
//!
//! let http = Http::on("127.0.0.1:8080");
//! let addresses = http.addresses();
//! let running = Gateway::builder().store("sqlite:data/iot.db").layer(http).start().await?;
//! println!("serving on {:?}", addresses.get());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! | feature | default | what for |
//! | --- | --- | --- |
//! | `page` | no | the web page inside the binary; `build.rs` builds it where Node.js is |
//!
//! - [`Http`], [`HttpConfig`]: the layer and what it listens on
//! - [`links`]: sign-in links of a gateway's addresses
//! - [`routes`]: each route and what it needs, for tests and documents
//!
//! [`Layer`]: iot_core::port::Layer
//! [`Handle`]: iot_core::gateway::Handle

mod api;
mod auth;
mod counters;
mod etag;
mod extract;
mod front;
mod health;
mod layer;
mod links;
mod metrics;
mod page;
mod paging;
mod problem;
mod route;
mod router;
mod serve;
mod shape;
mod state;
mod ws;

pub use layer::{Addresses, Http, HttpConfig};
pub use links::links;
pub use route::{Declared, Needs, routes};

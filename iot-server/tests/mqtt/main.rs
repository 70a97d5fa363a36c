//! The embedded broker as clients see it that we have not written: Debian's mosquitto_pub and
//! mosquitto_sub, paho for Python and mqtt.js.
//!
//! Each scenario also runs against Debian's mosquitto, which proves the scenario. `cargo xtask test`
//! fetches the clients.
#![cfg(test)]

use iot_plugins as _;
use iot_storage as _;

mod broker;
mod mosquitto;
mod scripts;

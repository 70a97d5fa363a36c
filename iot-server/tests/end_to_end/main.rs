//! The real program from outside: started as an operator would, asked through every window, stopped,
//! killed, and given bad input. Nothing sleeps: each test waits for a state, with a deadline.
#![cfg(test)]

use iot_plugins as _;
use iot_storage as _;

mod cli;
mod clock;
mod command;
mod crash;
mod crash_writer;
mod first_start;
mod mqtt;
mod mqtt_window;
mod page;
mod sql;
mod start;
mod stop;

/// The program under test.
const SERVER: &str = env!("CARGO_BIN_EXE_iot-server");

/// Whether the counts are those of a release.
fn long() -> bool {
    std::env::var("IOT_TEST_TIER").is_ok_and(|tier| tier == "long" || tier == "soak")
}

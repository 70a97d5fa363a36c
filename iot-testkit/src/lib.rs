//! What tests of a gateway need beside the gateway: for us and for plugin authors.
//!
//! It is no test framework: it waits, starts and checks, and a plain `#[test]` calls it. It knows
//! `iot-core` and no spoke.
//!
//! | module | what for |
//! | --- | --- |
//! | [`wait`] | waiting for a state with a deadline, never for a time |
//! | [`servers`] | real programs on free ports in temporary folders: the server itself, a browser |

pub mod servers;
pub mod wait;

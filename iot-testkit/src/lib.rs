//! What tests of a gateway need beside the gateway: for us and for plugin authors.
//!
//! It is no test framework: it waits, starts and checks, and a plain `#[test]` calls it. It knows
//! `iot-core` and no spoke.
//!
//! | module | what for |
//! | --- | --- |
//! | [`fuzz`] | a corpus replayed and mutated, on stable |
//! | [`memory`] | a store in memory, whose commits can be made to fail |
//! | [`mqtt`] | a client that does as it is told, and a recorder before a broker |
//! | [`sim`] | parts of the world under a test's control |
//! | [`wait`] | waiting for a state with a deadline, never for a time |
//! | [`servers`] | real programs on free ports in temporary folders: the server itself, mosquitto, a browser; a bad network |

pub mod conformance;
pub mod fuzz;
pub mod memory;
pub mod mqtt;
pub mod servers;
pub mod sim;
pub mod wait;

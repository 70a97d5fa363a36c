#![cfg(test)]
//! A link's promises, against a real mosquitto, a network made bad, and brokers made up.

mod brokers;
mod faults;
mod inward;
mod kit;
mod outward;

//! Gateways and plugins in one file each, by the public API alone. Run one with
//! `cargo run -p examples --example ten_lines`.

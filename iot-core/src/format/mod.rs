//! How the gateway's words are spelled outside. Pure: bytes and values in, bytes and values out.

pub mod device;

//! Stub.
/// Stub.
#[derive(Debug, Clone)]
pub struct Handle;

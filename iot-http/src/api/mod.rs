//! The REST API; one folder a version.

pub(crate) mod v1;

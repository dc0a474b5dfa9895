//! The socket of `virgl_test_server` and the memory that goes over it, for whoever stands between a driver and its host, or in the host's place.

pub mod listener;
pub mod memory;
pub mod message;

//! Queues: the one place where the order between submissions is decided.

pub mod batch;
pub mod device;
pub mod queue;
pub mod upload;

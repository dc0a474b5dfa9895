//! Queues: the one place where the order between submissions is decided.

pub mod batch;
pub mod carrier;
pub mod crossing;
pub mod device;
pub mod guest_signals;
pub mod mark;
pub mod observer;
pub mod order;
pub mod queue;
pub mod sparse;
pub mod submit;
pub mod updates;
pub mod upload;
pub mod wait_idle;

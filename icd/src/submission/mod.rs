//! Queues: the one place where the order between submissions is decided.

pub mod batch;
pub mod carrier;
pub mod crossing;
pub mod device;
pub mod host_queues;
pub mod mark;
pub mod observer;
pub mod order;
pub mod outside;
pub mod queue;
pub mod semaphore_files;
pub mod sparse;
pub mod staging_block;
pub mod submit;
pub mod updates;
pub mod upload;
pub mod wait_idle;

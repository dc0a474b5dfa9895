//! Command pools and buffers, what is recorded into them, queries, and the driver's own command buffers.

pub mod awaited;
pub mod begun;
pub mod bind_pipeline;
pub mod command_buffer;
pub mod command_pool;
pub mod copy;
pub mod device;
pub mod event_wait;
pub mod held_copies;
pub mod own;
pub mod ownership;
pub mod push_descriptors;
pub mod query_pool;
pub mod query_resets;
pub mod query_results;
pub mod stream;

//! VkPipeline: creation, compiling behind the program's back, caches.

pub mod cache;
pub mod compiling;
pub mod deferred;
pub mod device;
pub mod graphics;
pub mod pipeline;
pub mod recorders;
pub mod render_pass;
pub mod store;

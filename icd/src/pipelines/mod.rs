//! VkPipeline: creation, compiling behind the program's back, caches.

pub mod cache;
pub mod compiling;
pub mod create_info;
pub mod deferred;
pub mod device;
pub mod graphics;
pub mod pipeline;
pub mod recorders;
pub mod render_pass;
pub mod shader_groups;
pub mod store;
pub mod unsettled;

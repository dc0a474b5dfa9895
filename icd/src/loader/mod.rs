//! What the Vulkan loader finds: the entry points by name.

pub mod interface;
pub mod procs;
pub mod trial;
mod trial_pipelines;
mod trial_work;

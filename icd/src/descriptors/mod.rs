//! Samplers, descriptor set layouts, pipeline layouts, pools, sets, templates, and writes to sets.

pub mod layout;
pub mod needs;
pub mod pipeline_layout;
pub mod pool_count;
pub mod sampler;
pub mod set;
pub mod update_template;
pub mod write;

//! Descriptor set layouts, pipeline layouts, pools, sets, templates, and writes to sets.

pub mod pipeline_layout;
pub mod set;
pub mod update_template;
pub mod write;

//! Descriptor set layouts, pools, sets, templates, and writes to sets.

pub mod heap;
pub mod set;
pub mod update_template;
pub mod write;

//! Hesper: a Vulkan driver for guests of virtio-gpu hosts that speak Venus.
//!
//! The folders are floors: each uses only those before it in docs/ARCHITECTURE.md. `loader` is what the Vulkan loader calls first. Each command goes through a generated thunk either to the module that
//! handles it (see `encoder/protocol/commands.tsv`) or to its generated default in `generated::forward`.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
// Every entry point takes handles and pointers whose validity is the application's duty ("Valid Usage" of each command
// in the Vulkan specification); repeating that for each would hide the reasons that matter.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

mod base;
mod descriptors;
mod device;
pub mod loader;
mod memory;
mod physical;
mod pipelines;
mod recording;
mod submission;
mod sync;
mod wsi;

/// What reads files and variables that others may have written, for the fuzz targets.
pub mod readers {
    use crate::physical::probe::kept;

    pub use crate::base::settings::read as settings;
    pub use crate::pipelines::store::parse as pipelines;

    /// What a file of probes tells, written anew.
    pub fn probes(text: &str) -> Option<String> {
        kept::parse(text).map(|entries| kept::text(&entries))
    }
}

/// Written by `encoder/codegen`; never edited.
#[rustfmt::skip]
mod generated {
    pub mod extensions;
    pub mod features;
    pub mod formats;
    pub mod forward;
    pub mod procs;
    pub mod queries;
    pub mod record;
    pub mod thunks;
}

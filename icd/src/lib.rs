//! Hesper: a Vulkan driver for guests of virtio-gpu hosts that speak Venus.
//!
//! `loader` is what the Vulkan loader calls first. Each command goes through a generated thunk either to the module that
//! handles it (see `encoder/protocol/commands.tsv`) or to its generated default in `generated::forward`.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
// Every entry point takes handles and pointers whose validity is the application's duty ("Valid Usage" of each command
// in the Vulkan specification); repeating that for each would hide the reasons that matter.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

mod acceleration;
mod batch;
mod bind;
mod buffer;
mod chain;
mod command_buffer;
mod compiling;
mod connection;
mod copy;
mod debug_utils;
mod deferred;
mod descriptor;
mod descriptor_heap;
mod descriptor_set;
mod device;
mod extensions;
mod external;
mod feedback;
mod fence;
mod formats;
mod forwarding;
mod graphics;
mod host_copy;
mod image;
mod instance;
mod kept_file;
pub mod loader;
mod log;
mod memory;
mod object;
mod own;
mod physical_device;
mod pipeline;
mod pipeline_cache;
mod pipeline_store;
mod private_data;
mod procs;
mod queries;
mod query;
mod queue;
mod requirements;
mod semaphore;
mod settings;
mod slab;
mod sm_builtins;
mod update_template;
mod upload;
mod wait;

/// Written by `encoder/codegen`; never edited.
#[rustfmt::skip]
mod generated {
    pub mod extensions;
    pub mod forward;
    pub mod procs;
    pub mod queries;
    pub mod thunks;
}

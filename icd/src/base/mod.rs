//! What every entry point is made of: objects behind handles, the connection, forwarding, settings; and of a VkDevice what these need.

pub mod asymmetric_fence;
pub mod background;
pub mod backlog;
pub mod chain;
pub mod clock;
pub mod connection;
pub mod detour;
pub mod device;
pub mod forwarding;
pub mod gate;
pub mod in_progress;
pub mod kept_file;
pub mod log;
pub mod members;
pub mod object;
pub mod outcomes;
pub mod own_threads;
pub mod progress;
pub mod result_codes;
pub mod rings;
pub mod room;
pub mod settings;
pub mod shared;
pub mod signals;
pub mod slab;
pub mod timelines;

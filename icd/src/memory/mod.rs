//! VkDeviceMemory, and the buffers and images bound to it.

pub mod addresses;
pub mod allocation;
pub mod bind;
pub mod buffer;
pub mod device;
pub mod external;
pub mod freed;
pub mod host_copy;
pub mod image;
pub mod import;
pub mod in_flight;
pub mod mapped;
pub mod own_block;
pub mod pending;
pub mod posted_copies;
pub mod presented_layout;
pub mod report;
pub mod reported;
pub mod requirements;
pub mod sharing;
pub mod texel_blocks;

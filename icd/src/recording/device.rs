//! VkDevice, as command buffers see it.

use ash::vk;

use crate::base::object::part;
use crate::pipelines::device as below;
use crate::recording::own::OwnCommandBuffers;

/// What a VkDevice keeps for recording.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// Command buffers of the driver's own.
    pub own: OwnCommandBuffers,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, own: OwnCommandBuffers::default() }
    }
}

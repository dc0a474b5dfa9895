//! VkDevice, as swapchains see it.

use ash::vk;
use parking_lot::Mutex;

use crate::base::object::part;
use crate::submission::device as below;

/// What a VkDevice keeps for its swapchains.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// Those that are alive.
    pub swapchains: Mutex<Vec<vk::SwapchainKHR>>,
    /// Command buffers of the driver's own that copied images which are gone, each with its queue family.
    pub spare: Mutex<Vec<(u32, vk::CommandBuffer)>>,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, swapchains: Mutex::default(), spare: Mutex::default() }
    }
}

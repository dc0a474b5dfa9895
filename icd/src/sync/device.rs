//! VkDevice, as fences and waits see it.

use ash::vk;

use crate::base::object::part;
use crate::recording::device as below;
use crate::sync::feedback::Slots;
use crate::sync::shared_semaphores::Semaphores;

/// What a VkDevice keeps for its fences.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// Where the GPU tells of work that has ended.
    pub slots: Slots,
    /// Binary semaphores that are shared.
    pub semaphores: Semaphores,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, slots: Slots::default(), semaphores: Semaphores::default() }
    }
}

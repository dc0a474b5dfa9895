//! VkDevice, as all floors above see it: a device of a physical device.

use ash::vk;

use crate::base::device as below;
use crate::base::object::{Object, Part, part};
use crate::base::settings::{self, Strategy};
use crate::physical::physical_device::PhysicalDevice;

/// What a VkDevice starts with.
#[repr(C)]
pub struct Device {
    below: below::Device,
    physical: vk::PhysicalDevice,
    /// How waits for its work proceed.
    pub strategy: Strategy,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// # Safety
    /// A valid physical device, which outlives this one.
    pub unsafe fn new(object: Object, physical: vk::PhysicalDevice) -> Self {
        // SAFETY: by contract.
        let is_processor = unsafe { PhysicalDevice::of(physical) }.is_processor();
        let below = below::Device::new(object);
        let suits = if is_processor {
            // What is waited for takes the processors itself.
            below.connection().contention().ignore();
            Strategy::Block
        } else {
            Strategy::Poll
        };
        Self { below, physical, strategy: settings::get().strategy.unwrap_or(suits) }
    }

    /// The physical device's handle.
    pub fn physical_handle(&self) -> vk::PhysicalDevice {
        self.physical
    }

    /// The physical device.
    pub fn physical(&self) -> &PhysicalDevice {
        // SAFETY: an instance, and its physical devices with it, is destroyed after its devices (vkDestroyInstance's valid usage).
        unsafe { PhysicalDevice::of(self.physical) }
    }
}

//! VkDevice, as submissions see it.

use std::sync::OnceLock;

use ash::vk;

use crate::base::object::part;
use crate::submission::upload::Uploads;
use crate::sync::device as below;

/// What a VkDevice keeps for its submissions.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// All queues that were asked for, made with the device: the host hands each out once (WIRE.md 7.1).
    pub queues: OnceLock<Vec<vk::Queue>>,
    /// What is on its way into memory that the program can't map.
    pub uploads: Uploads,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, queues: OnceLock::new(), uploads: Uploads::default() }
    }

    /// The device's queues.
    pub fn queues(&self) -> &[vk::Queue] {
        self.queues.get().map_or(&[], Vec::as_slice)
    }
}

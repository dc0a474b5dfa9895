//! VkDevice, as submissions see it.

use std::sync::OnceLock;

use ash::vk;

use crate::base::object::part;
use crate::submission::order::Order;
use crate::submission::staging_block::StagingBlock;
use crate::sync::device as below;

/// What a VkDevice keeps for its submissions.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// All queues that were asked for, made with the device: the host hands each out once (WIRE.md 7.1).
    pub queues: OnceLock<Vec<vk::Queue>>,
    /// The order between submissions.
    pub order: Order,
    /// Where larger uploads wait for the GPU.
    pub staging: StagingBlock,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, queues: OnceLock::new(), order: Order::default(), staging: StagingBlock::default() }
    }

    /// The device's queues.
    pub fn queues(&self) -> &[vk::Queue] {
        self.queues.get().map_or(&[], Vec::as_slice)
    }
}

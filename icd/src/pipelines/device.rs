//! VkDevice, as pipelines see it.

use ash::vk;

use crate::base::object::part;
use crate::memory::device as below;
use crate::pipelines::recorders::Recorders;
use crate::pipelines::store::Store;

/// What a VkDevice keeps for its pipelines.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// Pipelines from earlier starts.
    pub store: Store,
    /// Which threads record.
    pub recorders: Recorders,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps.
    pub fn new(below: below::Device) -> Self {
        Self { below, store: Store::default(), recorders: Recorders::default() }
    }
}

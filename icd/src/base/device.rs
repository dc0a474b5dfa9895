//! VkDevice, as the lowest floor sees it.

use std::sync::Arc;

use ash::vk;

use crate::base::in_progress::Recordings;
use crate::base::object::{Object, part};

/// What a VkDevice starts with.
#[repr(C)]
pub struct Device {
    object: Object,
    /// The program's recordings in progress, and the ends of objects that wait for them.
    pub recordings: Arc<Recordings>,
}
part!(vk::Device, Device, object: Object);

impl Device {
    /// What a new device keeps.
    pub fn new(object: Object) -> Self {
        Self { object, recordings: Arc::default() }
    }
}

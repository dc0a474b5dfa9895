//! VkDevice, as fences and waits see it.

use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;

use crate::base::object::part;
use crate::recording::device as below;
use crate::sync::binary_semaphores::Semaphores;
use crate::sync::feedback::Slots;
use crate::sync::left::Left;

/// What a VkDevice keeps for its fences.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// Where the GPU tells of work that has ended.
    pub slots: Slots,
    /// Binary semaphores that may be shared.
    pub semaphores: Semaphores,
    /// Files that tell other processes of its work.
    pub left: Left,
    /// Whether any of its fences has had anything to do with files. Relaxed: who has to know of one learns it from whoever made it.
    shares_fences: AtomicBool,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// What a new device keeps; `knows_semaphores` says whether some of its semaphores may be signalled elsewhere than at the host.
    pub fn new(below: below::Device, knows_semaphores: bool) -> Self {
        Self {
            below,
            slots: Slots::default(),
            semaphores: Semaphores::new(knows_semaphores),
            left: Left::default(),
            shares_fences: AtomicBool::new(false),
        }
    }

    /// Whether any fence has left, or come from outside.
    #[inline]
    pub fn shares_fences(&self) -> bool {
        self.shares_fences.load(Ordering::Relaxed)
    }

    /// From now on, one has.
    pub fn share_fences(&self) {
        self.shares_fences.store(true, Ordering::Relaxed);
    }
}

//! VkDevice, as fences and waits see it.

use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;

use crate::base::object::part;
use crate::recording::device as below;
use crate::sync::feedback::Slots;
use crate::sync::left::Left;
use crate::sync::shared_semaphores::Semaphores;

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
    /// What a new device keeps; `shares_semaphores` says whether its semaphores may be shared.
    pub fn new(below: below::Device, shares_semaphores: bool) -> Self {
        Self {
            below,
            slots: Slots::default(),
            semaphores: Semaphores::new(shares_semaphores),
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

//! VkDevice, as memory, buffers and images see it.

use std::sync::OnceLock;

use ash::vk;

use crate::base::object::part;
use crate::memory::freed::Freed;
use crate::memory::pending::Observer;
use crate::memory::posted_copies::PostedCopies;
use crate::memory::report::Reports;
use crate::memory::requirements::{BufferKind, ImageKind, Known};
use crate::memory::sharing::Sharing;
use crate::physical::device as below;

/// What a VkDevice keeps for its memory.
#[repr(C)]
pub struct Device {
    below: below::Device,
    /// What buffers and images of some kinds need.
    pub buffers: Known<BufferKind>,
    pub images: Known<ImageKind>,
    /// Freed memory, for the next allocation of its size.
    pub freed: Freed,
    /// Who hears of the program's memory.
    pub reports: Reports,
    /// Which families buffers are shared by; set once, when the device is made.
    pub sharing: OnceLock<Sharing>,
    /// Who has to be told before memory is looked at or goes away; set once, when the device is made.
    pub pending: OnceLock<Observer>,
    /// Copies to images that may be under way.
    pub posted_copies: PostedCopies,
}
part!(vk::Device, Device, below: below::Device);

impl Device {
    /// Whether buffers are shared by several families.
    pub fn shares_buffers(&self) -> bool {
        self.sharing.get().is_some_and(Sharing::is_needed)
    }

    /// A buffer as the host makes it.
    pub fn shared<'a>(&'a self, info: &vk::BufferCreateInfo<'a>) -> vk::BufferCreateInfo<'a> {
        self.sharing.get().map_or(*info, |sharing| sharing.of(info))
    }

    /// What is put off is in place afterwards. A buffer may lie in an image's memory, whatever the order of the image's texels, and what the program has put into
    /// the buffer before the host's processor writes the image mustn't come after.
    ///
    /// # Safety
    /// This device.
    pub unsafe fn before_host_copy(&self, device: vk::Device) {
        if let Some(pending) = self.pending.get() {
            // SAFETY: by contract.
            unsafe { pending.before_host_copy(device) };
        }
    }

    /// What a new device keeps.
    pub fn new(below: below::Device, reports: Reports) -> Self {
        Self {
            below,
            buffers: Known::default(),
            images: Known::default(),
            freed: Freed::default(),
            reports,
            sharing: OnceLock::new(),
            pending: OnceLock::new(),
            posted_copies: PostedCopies::default(),
        }
    }
}

//! A fence of the driver's own behind uploads, so that their end can be waited for.

use std::ptr;

use ash::vk;
use hesper_winsys::{Error, trace};

use crate::sync::fence;

/// A fence of the driver's own; it is submitted once.
pub struct Mark {
    device: vk::Device,
    fence: vk::Fence,
}

impl Mark {
    /// A fence that nothing signals yet.
    ///
    /// # Safety
    /// A valid device, which outlives the mark.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn new(device: vk::Device) -> Result<Self, Error> {
        let (info, mut fence) = (vk::FenceCreateInfo::default(), vk::Fence::null());
        // SAFETY: a valid device, and pointers to locals.
        match unsafe { fence::create_fence(device, &info, ptr::null(), &mut fence) } {
            vk::Result::SUCCESS => Ok(Self { device, fence }),
            _ => Err(Error::OutOfHostMemory),
        }
    }

    /// The fence, to be submitted.
    pub fn fence(&self) -> vk::Fence {
        self.fence
    }

    /// Waits until it is signalled.
    pub fn wait(&self) -> vk::Result {
        let _span = trace::span("wait for an upload");
        // SAFETY: a fence of the driver's own, of a device that is alive.
        unsafe { fence::wait_for_fences(self.device, 1, &self.fence, vk::TRUE, u64::MAX) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: whoever held the mark has seen its submission end, or never submitted it, or lost the host.
        unsafe { fence::destroy_fence(self.device, self.fence, ptr::null()) };
    }
}

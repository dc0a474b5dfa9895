//! What one image of a vkQueuePresentKHR becomes.

use ash::vk;

use crate::wsi::lease::Lease;

/// A picture on its way to the screen.
pub struct Present {
    pub index: u32,
    /// The program's number for it; 0 for none.
    pub id: u64,
    pub mode: vk::PresentModeKHR,
    /// The queue that copies the image or ends the work on it, and the driver's own fence that is signalled afterwards.
    pub queue: vk::Queue,
    pub copied: vk::Fence,
    /// The buffer that it is copied into, or the image's own memory.
    pub lease: Lease,
}

#[cfg(test)]
impl Present {
    /// One that no queue copies, in a buffer of its own.
    pub fn uncopied(index: u32, id: u64, mode: vk::PresentModeKHR) -> Self {
        let lease = crate::wsi::lease::Leases::new(1).lease().unwrap();
        Self { index, id, mode, queue: vk::Queue::null(), copied: vk::Fence::null(), lease }
    }
}

//! What one image of a vkQueuePresentKHR becomes.

use ash::vk;

/// A picture on its way to the screen.
#[derive(Clone, Copy)]
pub struct Present {
    pub index: u32,
    /// The program's number for it; 0 for none.
    pub id: u64,
    pub mode: vk::PresentModeKHR,
    /// The queue that copies the image, and the driver's own fence that is signalled afterwards.
    pub queue: vk::Queue,
    pub copied: vk::Fence,
}

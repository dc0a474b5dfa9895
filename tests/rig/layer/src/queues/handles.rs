//! Queues of the layer's own: dispatchable handles that the loader can use.

use ash::vk;
use ash::vk::Handle;

/// Behind a VkQueue. The loader reads and writes the first word of every dispatchable object.
#[repr(C)]
struct Behind {
    dispatch: usize,
    number: usize,
}

/// A queue that lives as long as its device.
pub struct Queue(*mut Behind);

// SAFETY: nobody but the loader writes to what is behind the handle.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// The queue with this number among those of a device with this dispatch pointer.
    pub fn new(dispatch: usize, number: usize) -> Self {
        Self(Box::into_raw(Box::new(Behind { dispatch, number })))
    }

    pub fn handle(&self) -> vk::Queue {
        vk::Queue::from_raw(self.0 as u64)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: `new` made it with a Box; the device is gone, and its queues' handles with it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The number of a queue of this layer's.
pub unsafe fn number(queue: vk::Queue) -> usize {
    // SAFETY: the layer hands out no other queues than those of `Queue::new`, and the caller's is valid.
    unsafe { (*(queue.as_raw() as usize as *const Behind)).number }
}

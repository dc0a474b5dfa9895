//! A fence of the driver's own behind uploads, so that their end can be waited for.

use std::ptr;
use std::sync::{Arc, OnceLock};

use ash::vk;
use hesper_winsys::{Error, trace};
use parking_lot::Mutex;

use crate::base::progress::Submission;
use crate::sync::{fence, fence_wait};

/// A fence of the driver's own; it is submitted once.
pub struct Mark {
    device: vk::Device,
    fence: vk::Fence,
    /// What signals it.
    submission: OnceLock<Submission>,
    /// Where its queue keeps fences that may still be signalled.
    pending: Arc<Mutex<Vec<vk::Fence>>>,
}

impl Mark {
    /// A fence that nothing signals yet, for a queue whose fences that may still be signalled are in `pending`.
    ///
    /// # Safety
    /// A valid device, which outlives the mark.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn new(device: vk::Device, pending: &Arc<Mutex<Vec<vk::Fence>>>) -> Result<Self, Error> {
        let (info, mut fence) = (vk::FenceCreateInfo::default(), vk::Fence::null());
        // SAFETY: a valid device, and pointers to locals.
        match unsafe { fence::create_fence(device, &info, ptr::null(), &mut fence) } {
            vk::Result::SUCCESS => Ok(Self { device, fence, submission: OnceLock::new(), pending: pending.clone() }),
            _ => Err(Error::OutOfHostMemory),
        }
    }

    /// The fence, to be submitted.
    pub fn fence(&self) -> vk::Fence {
        self.fence
    }

    /// Notes what signals it.
    pub fn submitted(&self, submission: Submission) {
        // It is submitted once.
        let _ = self.submission.set(submission);
    }

    /// Waits until it is signalled.
    pub fn wait(&self) -> vk::Result {
        let _span = trace::span("wait for an upload");
        // SAFETY: a fence of the driver's own, of a device that is alive.
        unsafe { fence_wait::wait_for_fences(self.device, 1, &self.fence, vk::TRUE, u64::MAX) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // The uploads may be known to have ended by another fence than the mark's, which stands behind later work as well.
        if !self.submission.get().is_none_or(Submission::ended) {
            self.pending.lock().push(self.fence);
            return;
        }
        // SAFETY: the fence's submission has ended, or there was none.
        unsafe { fence::destroy_fence(self.device, self.fence, ptr::null()) };
    }
}

//! vkQueueWaitIdle: a fence behind everything, and a wait for it.

use std::ptr;

use ash::vk;

use crate::base::object::Part;
use crate::submission::queue::Queue;
use crate::submission::sparse::own_fence;
use crate::submission::submit::queue_submit;
use crate::sync::{fence, fence_wait};

pub unsafe fn queue_wait_idle(handle: vk::Queue) -> vk::Result {
    // SAFETY: a valid queue.
    let queue = unsafe { Queue::of(handle) };
    // What is submitted from now on isn't covered by the wait.
    let earlier = std::mem::take(&mut *queue.pending.lock());
    // SAFETY: a queue of a living device; a second thread that waits takes a fence of its own.
    let result = unsafe {
        let f = match own_fence(queue) {
            Ok(f) => f,
            Err(e) => {
                queue.pending.lock().extend(earlier);
                return e;
            }
        };
        let mut result = queue_submit(handle, 0, ptr::null(), f);
        if result == vk::Result::SUCCESS {
            result = fence_wait::wait_for_fences(queue.device, 1, &f, vk::TRUE, u64::MAX);
        }
        if result == vk::Result::SUCCESS {
            result = fence::reset_fences(queue.device, 1, &f);
        }
        if result == vk::Result::SUCCESS && !earlier.is_empty() {
            // They were signalled before the fence was.
            result = fence::reset_fences(queue.device, earlier.len() as u32, earlier.as_ptr());
        }
        if result == vk::Result::SUCCESS {
            queue.fences.lock().push(f);
        } else {
            queue.pending.lock().push(f);
        }
        result
    };
    let list = if result == vk::Result::SUCCESS { &queue.fences } else { &*queue.pending };
    list.lock().extend(earlier);
    result
}

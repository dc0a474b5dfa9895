//! VkSemaphore: waiting for timelines on the host side, on a ring of its own.

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::fence::wait_in_slices;
use crate::forwarding::result_of;
use crate::object;

pub unsafe fn wait_semaphores(device: vk::Device, info: *const vk::SemaphoreWaitInfo, timeout: u64) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let connection = object::get(device).connection();
        wait_in_slices(timeout, |slice| {
            result_of(connection.side_call(
                reply::wait_semaphores_size(device, info, slice),
                |w| request::wait_semaphores(w, 1, device, info, slice),
                |r| reply::wait_semaphores(r, device, info, slice),
            ))
        })
    }
}

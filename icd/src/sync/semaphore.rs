//! VkSemaphore: waiting for timelines.

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::sync::device::Device;
use crate::sync::wait;

pub unsafe fn wait_semaphores(device: vk::Device, info: *const vk::SemaphoreWaitInfo, timeout: u64) -> vk::Result {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // SAFETY: encodes the command's own struct, which lives as long as the wait.
    let poll = |stay| unsafe {
        result_of(d.connection().call(
            reply::wait_semaphores_size(device, info, stay),
            |w| request::wait_semaphores(w, 1, device, info, stay),
            |r| reply::wait_semaphores(r, device, info, stay),
        ))
    };
    // SAFETY: as for `poll`.
    let block = |slice| unsafe {
        d.connection().aside(
            reply::wait_semaphores_size(device, info, slice),
            |w| request::wait_semaphores(w, 1, device, info, slice),
            |r| reply::wait_semaphores(r, device, info, slice),
        )
    };
    wait::wait(d.strategy, timeout, true, std::iter::empty(), poll, block)
}

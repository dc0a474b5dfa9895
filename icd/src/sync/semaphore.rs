//! VkSemaphore: waiting for timelines; binary ones that come from outside, or may leave.

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::base::chain::find;
use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::payload::Payload;
use crate::sync::wait;

pub unsafe fn create_semaphore(
    device: vk::Device,
    info: *const vk::SemaphoreCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: a valid info with its chain.
    let mut made = unsafe { *info };
    // SAFETY: the info's chain.
    let (exported, kind) = unsafe {
        let exported = find::<vk::ExportSemaphoreCreateInfo>(made.p_next).is_some_and(|e| !e.handle_types.is_empty());
        (exported, find::<vk::SemaphoreTypeCreateInfo>(made.p_next))
    };
    // The host has no part in exports.
    let kind = kind.map(|k| vk::SemaphoreTypeCreateInfo { p_next: std::ptr::null(), ..*k });
    made.p_next = kind.as_ref().map_or(std::ptr::null(), |k| std::ptr::from_ref(k).cast());
    // SAFETY: the entry point's parameters, and a copy of its info that outlives the call.
    let (result, semaphore) = unsafe { (forward::create_semaphore(device, &made, allocator, to), *to) };
    if exported && result == vk::Result::SUCCESS {
        // SAFETY: a valid device.
        unsafe { Device::of(device) }.semaphores.add(semaphore);
    }
    result
}

pub unsafe fn destroy_semaphore(
    device: vk::Device,
    semaphore: vk::Semaphore,
    allocator: *const vk::AllocationCallbacks,
) {
    // SAFETY: a valid device.
    unsafe { Device::of(device) }.semaphores.remove(semaphore);
    // SAFETY: the entry point's parameters.
    unsafe { forward::destroy_semaphore(device, semaphore, allocator) };
}

pub unsafe fn import_semaphore_fd_khr(device: vk::Device, info: *const vk::ImportSemaphoreFdInfoKHR) -> vk::Result {
    // SAFETY: a valid info.
    let info = unsafe { &*info };
    if info.handle_type != vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    }
    match Payload::import(info.fd) {
        Ok(payload) => {
            // SAFETY: a valid device.
            unsafe { Device::of(device) }.semaphores.import(info.semaphore, payload);
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

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

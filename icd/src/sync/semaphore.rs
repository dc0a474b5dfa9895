//! VkSemaphore: waiting for timelines; binary ones whose payload comes from outside, or may leave.

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::base::chain::find;
use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::base::settings::Strategy;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::payload::Payload;
use crate::sync::{binary_semaphores, wait};

pub unsafe fn create_semaphore(
    device: vk::Device,
    info: *const vk::SemaphoreCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: a valid device, and a valid info with its chain.
    let (d, mut made) = unsafe { (Device::of(device), *info) };
    // SAFETY: the info's chain.
    let kind = unsafe { find::<vk::SemaphoreTypeCreateInfo>(made.p_next) };
    // The host has no part in exports.
    let kind = kind.map(|k| vk::SemaphoreTypeCreateInfo { p_next: std::ptr::null(), ..*k });
    made.p_next = kind.as_ref().map_or(std::ptr::null(), |k| std::ptr::from_ref(k).cast());
    // What the host's semaphore was signalled by has to be known before something is imported into it.
    let known = d.semaphores.are_known() && kind.is_none_or(|k| k.semaphore_type == vk::SemaphoreType::BINARY);
    let create = if known { binary_semaphores::create } else { forwarded };
    // SAFETY: the entry point's parameters, and a copy of its info that outlives the call.
    unsafe { create(device, &made, allocator, to) }
}

/// Makes a semaphore of which only the host knows.
unsafe fn forwarded(
    device: vk::Device,
    info: &vk::SemaphoreCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: the caller's parameters.
    unsafe { forward::create_semaphore(device, info, allocator, to) }
}

pub unsafe fn destroy_semaphore(
    device: vk::Device,
    semaphore: vk::Semaphore,
    allocator: *const vk::AllocationCallbacks,
) {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if !d.semaphores.are_known() {
        // SAFETY: the entry point's parameters.
        return unsafe { forward::destroy_semaphore(device, semaphore, allocator) };
    }
    for ended in d.semaphores.end(semaphore, &d.left) {
        // SAFETY: a semaphore of this device that the program has destroyed, and that the driver has no use for.
        unsafe { forward::destroy_semaphore(device, ended, allocator) };
    }
}

/// Destroys what the program has destroyed and the host doesn't know of yet.
///
/// # Safety
/// A valid device, on which nothing is at work any more.
pub unsafe fn close(device: vk::Device) {
    // SAFETY: by contract.
    for semaphore in unsafe { Device::of(device) }.semaphores.close() {
        // SAFETY: a semaphore of this device that nobody uses.
        unsafe { forward::destroy_semaphore(device, semaphore, std::ptr::null()) };
    }
}

pub unsafe fn import_semaphore_fd_khr(_: vk::Device, info: *const vk::ImportSemaphoreFdInfoKHR) -> vk::Result {
    // SAFETY: a valid info.
    let info = unsafe { &*info };
    if info.handle_type != vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD || !binary_semaphores::is_known(info.semaphore)
    {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    }
    match Payload::import(info.fd) {
        Ok(payload) => {
            binary_semaphores::import(info.semaphore, payload);
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
            d.connection().patience(),
            reply::wait_semaphores_size(device, info, slice),
            |w| request::wait_semaphores(w, 1, device, info, slice),
            |r| reply::wait_semaphores(r, device, info, slice),
        )
    };
    wait::wait(strategy(d.strategy), d.connection().contention(), timeout, true, std::iter::empty(), poll, block)
}

/// How timelines are waited for on a device whose fences are waited for like this: what a timeline waits for may be a signal or a submission of
/// another thread, which a question that stays on the main ring would hold up.
fn strategy(of_fences: Strategy) -> Strategy {
    match of_fences {
        Strategy::Block | Strategy::Aside | Strategy::Followed => Strategy::Aside,
        Strategy::Poll => Strategy::Poll,
    }
}

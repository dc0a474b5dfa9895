//! vkGetFenceFdKHR and vkImportFenceFdKHR: fences as sync_files.

use std::ffi::c_int;
use std::sync::Arc;

use ash::vk;

use crate::base::object;
use crate::sync::fence;
use crate::sync::payload::{self, Outside, Payload};

pub unsafe fn import_fence_fd_khr(_: vk::Device, info: *const vk::ImportFenceFdInfoKHR) -> vk::Result {
    // SAFETY: a valid info.
    let (f, fd, handle_type) = unsafe { ((*info).fence, (*info).fd, (*info).handle_type) };
    let Some(outside) = fence::outside(f).filter(|_| handle_type == vk::ExternalFenceHandleTypeFlags::SYNC_FD) else {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    };
    match Payload::import(fd) {
        Ok(payload) => {
            Outside::announce();
            outside.lock().imported = Some(payload);
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

pub unsafe fn get_fence_fd_khr(device: vk::Device, info: *const vk::FenceGetFdInfoKHR, to: *mut c_int) -> vk::Result {
    // SAFETY: a valid info.
    let f = unsafe { (*info).fence };
    // SAFETY: a valid device and a fence of its own.
    match unsafe { export(device, f) } {
        Ok(fd) => {
            // SAFETY: the output parameter.
            unsafe { to.write(fd) };
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

/// A descriptor of a fence's payload; the fence is reset, as Vulkan has it.
unsafe fn export(device: vk::Device, f: vk::Fence) -> Result<c_int, vk::Result> {
    let outside = fence::outside(f).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    let mut state = outside.lock();
    if let Some(payload) = &state.imported {
        let fd = payload.export()?;
        state.imported = None;
        return Ok(fd);
    }
    if fence::is_known_signaled(f) {
        drop(state);
        // SAFETY: a valid device and a fence of its own.
        return match unsafe { fence::reset_fences(device, 1, &f) } {
            vk::Result::SUCCESS => Ok(-1),
            e => Err(e),
        };
    }
    // Only what was submitted can be exported, and only once.
    let timeline = fence::timeline(f).filter(|_| state.exported.is_none());
    let timeline = timeline.ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    let file = payload::of_queue(connection, timeline).map_err(|e| payload::export_failed(&e))?;
    let payload = Payload::File(Arc::new(file));
    let fd = payload.export()?;
    fence::forget_submission(f);
    Outside::announce();
    state.exported = Some(payload);
    Ok(fd)
}

/// Makes a fence fit for a submission: where its last payload has left, waits for that and resets the host's fence.
///
/// # Safety
/// A valid device, and a fence of its own or null.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn before_submission(device: vk::Device, f: vk::Fence) -> Result<(), vk::Result> {
    let left = if Outside::any() { fence::outside(f).and_then(|o| o.lock().exported.take()) } else { None };
    let Some(left) = left else { return Ok(()) };
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    // The file is signalled after the fence that it was made for.
    // SAFETY: a valid device, and a fence that nothing will signal any more.
    match (left.wait(connection, u64::MAX), unsafe { fence::reset_fences(device, 1, &f) }) {
        (vk::Result::SUCCESS, vk::Result::SUCCESS) => Ok(()),
        (vk::Result::SUCCESS, e) | (e, _) => Err(e),
    }
}

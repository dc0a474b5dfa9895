//! vkGetFenceFdKHR and vkImportFenceFdKHR: fences as sync_files.

use std::ffi::c_int;

use ash::vk;

use crate::base::object::Part;
use crate::sync::device::Device;
use crate::sync::payload::{self, Payload};
use crate::sync::{fence, fence_wait};

pub unsafe fn import_fence_fd_khr(device: vk::Device, info: *const vk::ImportFenceFdInfoKHR) -> vk::Result {
    // SAFETY: a valid info.
    let (f, fd, handle_type) = unsafe { ((*info).fence, (*info).fd, (*info).handle_type) };
    let Some(outside) = fence::outside(f).filter(|_| handle_type == vk::ExternalFenceHandleTypeFlags::SYNC_FD) else {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    };
    match Payload::import(fd) {
        Ok(payload) => {
            // SAFETY: a valid device.
            unsafe { Device::of(device) }.share_fences();
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
    let has_left = {
        let mut state = outside.lock();
        if let Some(payload) = &state.imported {
            let fd = payload.export()?;
            state.imported = None;
            return Ok(fd);
        }
        state.has_left
    };
    if fence::is_known_signaled(f) {
        // SAFETY: a valid device and a fence of its own.
        return match unsafe { fence::reset_fences(device, 1, &f) } {
            vk::Result::SUCCESS => Ok(-1),
            e => Err(e),
        };
    }
    // Only what was submitted can be exported, and only once.
    let last = fence::last_submission(f).filter(|_| !has_left);
    let (timeline, submission) = last.ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // Nobody who looks at the fence meanwhile waits for this.
    let file = payload::of_queue(d.connection(), timeline).map_err(|e| payload::export_failed(&e))?;
    let fd = Payload::File(file.clone()).export()?;
    fence::forget_submission(f);
    d.share_fences();
    outside.lock().has_left = true;
    d.left.add(timeline, file, submission);
    Ok(fd)
}

/// Makes a fence fit for a submission: where its last payload has left, waits for the host's fence and resets that.
///
/// # Safety
/// A valid device, and a fence of its own or null.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn before_submission(device: vk::Device, f: vk::Fence) -> Result<(), vk::Result> {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if !d.shares_fences() {
        return Ok(());
    }
    let Some(outside) = fence::outside(f).filter(|o| o.lock().has_left) else { return Ok(()) };
    let done = |result| if result == vk::Result::SUCCESS { Ok(()) } else { Err(result) };
    // The host knows of its fence at once, and a monitor may be late to signal the file.
    // SAFETY: a valid device and a fence of its own.
    done(unsafe { fence_wait::wait_at_host(d.strategy, device, &[f], vk::TRUE, u64::MAX) })?;
    outside.lock().has_left = false;
    // SAFETY: a valid device, and a fence that nothing will signal any more.
    done(unsafe { fence::reset_fences(device, 1, &f) }).inspect_err(|_| outside.lock().has_left = true)
}

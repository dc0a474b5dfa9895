//! vkGetSemaphoreFdKHR: semaphores as sync_files.
//!
//! An empty submission waits for the host's semaphore, which leaves it unsignalled as Vulkan demands, and the file is signalled when that has ended.

use std::ffi::c_int;

use ash::vk;

use crate::base::forwarding::result_of_error;
use crate::base::object::Part;
use crate::pipelines::compiling;
use crate::submission::device::Device;
use crate::submission::outside;
use crate::submission::queue::Queue;
use crate::submission::submit::make_way;
use crate::sync::binary_semaphores::{self, Use};
use crate::sync::payload::{self, Payload};

pub unsafe fn get_semaphore_fd_khr(
    device: vk::Device,
    info: *const vk::SemaphoreGetFdInfoKHR,
    to: *mut c_int,
) -> vk::Result {
    // SAFETY: a valid device and info.
    let (d, semaphore) = unsafe { (Device::of(device), (*info).semaphore) };
    let exported = match binary_semaphores::imported(semaphore) {
        Some(payload) => payload.export().inspect(|_| binary_semaphores::forget_imported(semaphore)),
        // SAFETY: a valid device and a semaphore of its own.
        None => unsafe { export(d, semaphore) },
    };
    match exported {
        Ok(fd) => {
            // SAFETY: the output parameter.
            unsafe { to.write(fd) };
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

/// A descriptor of the payload of the host's semaphore, which loses it.
unsafe fn export(d: &Device, semaphore: vk::Semaphore) -> Result<c_int, vk::Result> {
    // Only what has been signalled, or will be, can be exported.
    let handle = binary_semaphores::signaled_on(semaphore).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    let one = std::slice::from_ref(&semaphore);
    // SAFETY: a queue of the device.
    let queue = unsafe { Queue::of(handle) };
    compiling::before_submission(queue.device, true);
    // SAFETY: a valid queue.
    let mut locked = unsafe { make_way(d, d.order.lock(), handle, queue, true, false, false) }?;
    let stages = [vk::PipelineStageFlags::ALL_COMMANDS];
    let batch = vk::SubmitInfo::default().wait_semaphores(one).wait_dst_stage_mask(&stages);
    // SAFETY: this queue's handle and the lock of its device; the semaphore has been signalled or will be.
    let own = unsafe { queue.submit_own(&mut locked, handle, &batch, vk::Fence::null()) };
    let own = own.map_err(|e| result_of_error(&e))?;
    drop(locked);
    binary_semaphores::submitted_own(handle, semaphore, Use::Wait, &own);
    let left = payload::of_queue(d.connection(), queue.timeline).map_err(|e| payload::export_failed(&e));
    let left = left.and_then(|file| Ok((Payload::File(file.clone()).export()?, file)));
    match left {
        Ok((fd, file)) => {
            d.left.add(queue.timeline, file, own);
            Ok(fd)
        }
        Err(e) => {
            // The payload didn't leave.
            // SAFETY: as above, and nothing signals the semaphore now.
            if let Ok(own) = unsafe { outside::signal(&mut d.order.lock(), queue, handle, one) } {
                binary_semaphores::submitted_own(handle, semaphore, Use::Signal, &own);
            }
            Err(e)
        }
    }
}

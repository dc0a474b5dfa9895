//! vkAcquireNextImageKHR and its relatives.
//!
//! An image is handed out when what it held has been copied or shown, so there is nothing left that a semaphore or a fence could wait for: both count as
//! signalled at once, in the guest. To the host the semaphore is one whose payload came from outside: it hears of that in front of the submission that
//! waits for it (`submission::outside`). There it does no harm: what is in front of it on the queue is in front of the submission, too. On any other
//! queue, or sooner, the signal might stand behind work that waits for what the program does only later.

use ash::vk;

use crate::base::chain::slice;
use crate::base::forwarding::result_of_error;
use crate::base::object;
use crate::sync::payload::Payload;
use crate::sync::{binary_semaphores, fence};
use crate::wsi::swapchain::{self, Swapchain};

/// Whether the device's host is still there.
///
/// # Safety
/// A valid device.
pub unsafe fn alive(device: vk::Device) -> Result<(), vk::Result> {
    // SAFETY: valid by contract.
    unsafe { object::get(device) }.connection().check().map_err(|e| result_of_error(&e))
}

/// Whether the device's host and the way to a swapchain's window are still there: a wait for either would never end.
///
/// # Safety
/// A valid device.
pub unsafe fn reachable(device: vk::Device, swapchain: &Swapchain) -> Result<(), vk::Result> {
    // SAFETY: valid by contract.
    unsafe { alive(device) }?;
    swapchain.surface.window.check().map_err(|_| vk::Result::ERROR_SURFACE_LOST_KHR)
}

/// SUCCESS, or SUBOPTIMAL_KHR where the last picture didn't fit the window.
pub fn optimal(fits: bool) -> vk::Result {
    if fits { vk::Result::SUCCESS } else { vk::Result::SUBOPTIMAL_KHR }
}

pub unsafe fn acquire_next_image_khr(
    device: vk::Device,
    swapchain: vk::SwapchainKHR,
    timeout: u64,
    semaphore: vk::Semaphore,
    fence: vk::Fence,
    index: *mut u32,
) -> vk::Result {
    let Some(s) = swapchain::get(swapchain) else { return vk::Result::ERROR_OUT_OF_DATE_KHR };
    // SAFETY: a valid device.
    match s.images.acquire(timeout, || unsafe { reachable(device, s) }) {
        Ok((acquired, fits)) => {
            binary_semaphores::import(semaphore, Payload::Signaled);
            fence::signal(fence);
            // SAFETY: the output parameter.
            unsafe { index.write(acquired) };
            optimal(fits)
        }
        Err(e) => e,
    }
}

pub unsafe fn acquire_next_image2_khr(
    device: vk::Device,
    info: *const vk::AcquireNextImageInfoKHR,
    index: *mut u32,
) -> vk::Result {
    // SAFETY: a valid struct and output.
    unsafe {
        let i = &*info;
        acquire_next_image_khr(device, i.swapchain, i.timeout, i.semaphore, i.fence, index)
    }
}

pub unsafe fn release_swapchain_images_khr(
    _: vk::Device,
    info: *const vk::ReleaseSwapchainImagesInfoEXT,
) -> vk::Result {
    // SAFETY: a valid struct with its array.
    let (swapchain, indices) =
        unsafe { ((*info).swapchain, slice((*info).p_image_indices, (*info).image_index_count)) };
    let released = match swapchain::get(swapchain) {
        Some(s) => s.images.release(indices),
        None => Err(vk::Result::ERROR_SURFACE_LOST_KHR),
    };
    released.err().unwrap_or(vk::Result::SUCCESS)
}

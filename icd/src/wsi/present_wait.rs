//! vkWaitForPresentKHR and vkWaitForPresent2KHR.

use ash::vk;
use hesper_encoder::generated::types;

use crate::wsi::acquire::{optimal, reachable};
use crate::wsi::swapchain;

pub unsafe fn wait_for_present_khr(
    device: vk::Device,
    swapchain: vk::SwapchainKHR,
    id: u64,
    timeout: u64,
) -> vk::Result {
    let Some(s) = swapchain::get(swapchain) else { return vk::Result::ERROR_OUT_OF_DATE_KHR };
    // SAFETY: a valid device.
    match s.images.wait_for_present(id, timeout, || unsafe { reachable(device, s) }) {
        Ok(fits) => optimal(fits),
        Err(e) => e,
    }
}

pub unsafe fn wait_for_present2_khr(
    device: vk::Device,
    swapchain: vk::SwapchainKHR,
    info: *const types::PresentWait2InfoKHR,
) -> vk::Result {
    // SAFETY: a valid struct.
    unsafe { wait_for_present_khr(device, swapchain, (*info).present_id, (*info).timeout) }
}

//! Images of the program's own that lie in the memory of a swapchain's (VkImageSwapchainCreateInfoKHR, VkBindImageMemorySwapchainInfoKHR).

use ash::vk;

use crate::base::chain::{find, slice};
use crate::memory::{bind, image};
use crate::wsi::swapchain;

/// Such images lie there as the swapchain's own do: linear, where the guest reads those in place.
pub unsafe fn create_image(
    device: vk::Device,
    info: *const vk::ImageCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Image,
) -> vk::Result {
    // SAFETY: a valid create info with its chain.
    let swapchain = unsafe { find::<vk::ImageSwapchainCreateInfoKHR>((*info).p_next) };
    let is_in_place = |s: &swapchain::Swapchain| s.pictures.iter().any(|p| p.in_place.is_some());
    if !swapchain.and_then(|s| swapchain::get(s.swapchain)).is_some_and(is_in_place) {
        // SAFETY: the command's own parameters.
        return unsafe { image::create_image(device, info, allocator, to) };
    }
    // SAFETY: a valid create info, and a copy of it that lives until the call is over.
    unsafe {
        let linear = vk::ImageCreateInfo { tiling: vk::ImageTiling::LINEAR, ..*info };
        image::create_image(device, &linear, allocator, to)
    }
}

pub unsafe fn bind_image_memory2(device: vk::Device, n: u32, infos: *const vk::BindImageMemoryInfo) -> vk::Result {
    // SAFETY: an array of this length.
    let list = unsafe { slice(infos, n) };
    let named = |i: &vk::BindImageMemoryInfo| {
        // SAFETY: the chain of a valid struct.
        let info = unsafe { find::<vk::BindImageMemorySwapchainInfoKHR>(i.p_next) };
        info.filter(|i| i.swapchain != vk::SwapchainKHR::null()).map(|i| (i.swapchain, i.image_index))
    };
    if list.iter().all(|i| named(i).is_none()) {
        // SAFETY: the command's own parameters.
        return unsafe { bind::bind_image_memory2(device, n, infos) };
    }
    let mut changed = list.to_vec();
    for info in &mut changed {
        if let Some((swapchain, index)) = named(info) {
            let picture = swapchain::get(swapchain).and_then(|s| s.pictures.get(index as usize));
            let Some(picture) = picture else { return vk::Result::ERROR_VALIDATION_FAILED_EXT };
            (info.memory, info.memory_offset) = (picture.memory, 0);
        }
    }
    // SAFETY: structs like the command's own, which live until the call is over.
    unsafe { bind::bind_image_memory2(device, n, changed.as_ptr()) }
}

//! Images of the program's own that lie in the memory of a swapchain's (VkBindImageMemorySwapchainInfoKHR).

use ash::vk;

use crate::base::chain::{find, slice};
use crate::memory::bind;
use crate::wsi::swapchain;

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

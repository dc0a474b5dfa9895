//! Presenting from device groups: each device is a group of its own, and presents its own images.

use ash::vk;

use crate::base::chain::enumerate;
use crate::wsi::surface;

pub unsafe fn get_device_group_present_capabilities_khr(
    _: vk::Device,
    to: *mut vk::DeviceGroupPresentCapabilitiesKHR,
) -> vk::Result {
    // SAFETY: a valid output struct, whose head stays.
    let to = unsafe { &mut *to };
    to.present_mask = [0; vk::MAX_DEVICE_GROUP_SIZE];
    if let Some(first) = to.present_mask.first_mut() {
        *first = 1;
    }
    to.modes = vk::DeviceGroupPresentModeFlagsKHR::LOCAL;
    vk::Result::SUCCESS
}

pub unsafe fn get_device_group_surface_present_modes_khr(
    _: vk::Device,
    surface: vk::SurfaceKHR,
    to: *mut vk::DeviceGroupPresentModeFlagsKHR,
) -> vk::Result {
    // SAFETY: the output parameter.
    unsafe { to.write(vk::DeviceGroupPresentModeFlagsKHR::LOCAL) };
    surface::get(surface).err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn get_physical_device_present_rectangles_khr(
    _: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    count: *mut u32,
    to: *mut vk::Rect2D,
) -> vk::Result {
    // One rectangle, all of the window; what a surface without a size shows, a swapchain of any size fills.
    let any = vk::Extent2D { width: u32::MAX, height: u32::MAX };
    let look = surface::get(surface).ok().and_then(|s| s.window.look().ok());
    let whole: Vec<vk::Rect2D> = look.map(|l| l.extent.unwrap_or(any).into()).into_iter().collect();
    let put = |i: usize, p: *mut vk::Rect2D| {
        // SAFETY: an element of the output array.
        unsafe { p.write(whole.get(i).copied().unwrap_or_default()) };
    };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(whole.len(), count, to, put) }
}

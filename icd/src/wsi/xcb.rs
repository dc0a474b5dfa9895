//! VK_KHR_xcb_surface.

use std::sync::Arc;

use ash::vk;

use crate::base::object::Part;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::window::Unreachable;
use crate::wsi::x11::{self, X11Window};
use crate::wsi::{capabilities, surface};

pub unsafe fn create_xcb_surface_khr(
    _: vk::Instance,
    info: *const vk::XcbSurfaceCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SurfaceKHR,
) -> vk::Result {
    // SAFETY: a valid struct, whose connection outlives the surface, and the output parameter.
    unsafe { create((*info).connection, (*info).window, to) }
}

/// Makes a surface of a window of X11, which counts as gone where the connection can't be used.
///
/// # Safety
/// Null or a connection of libxcb's that outlives the surface, and an output parameter.
pub unsafe fn create(connection: *mut vk::xcb_connection_t, window: u32, to: *mut vk::SurfaceKHR) -> vk::Result {
    // SAFETY: by contract.
    match unsafe { x11::connection(connection) } {
        // SAFETY: as above.
        Some(connection) => unsafe { surface::create(Arc::new(X11Window::new(connection, window)), to) },
        // SAFETY: as above.
        None => unsafe { surface::create(Arc::new(Unreachable), to) },
    }
}

pub unsafe fn get_physical_device_xcb_presentation_support_khr(
    device: vk::PhysicalDevice,
    family: u32,
    connection: *mut vk::xcb_connection_t,
    visual: vk::xcb_visualid_t,
) -> vk::Bool32 {
    use x11rb::connection::Connection as _;
    // SAFETY: a valid device, and null or a valid connection, which is used no longer than this call takes.
    let (d, connection) = unsafe { (PhysicalDevice::of(device), x11::connection(connection)) };
    let shows = connection.is_some_and(|c| !x11::formats(c.setup(), visual).is_empty());
    (shows && capabilities::presents(d, family)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wsi::window::Gone;

    #[test]
    #[cfg_attr(miri, ignore = "Miri opens no libraries")]
    fn a_broken_connection_makes_a_surface_that_is_lost() {
        let mut handle = vk::SurfaceKHR::null();
        // SAFETY: no connection, and a local.
        assert_eq!(unsafe { create(std::ptr::null_mut(), 7, &mut handle) }, vk::Result::SUCCESS);
        let made = surface::get(handle).unwrap();
        assert_eq!(made.window.look().err(), Some(Gone));
        // SAFETY: a surface that no swapchain has.
        unsafe { surface::destroy_surface_khr(vk::Instance::null(), handle, std::ptr::null()) };
    }
}

//! VK_KHR_xlib_surface: Xlib stands on a connection of libxcb's, which libX11-xcb tells.

use std::ffi::c_void;
use std::sync::OnceLock;

use ash::vk;

use crate::base::log::error;
use crate::wsi::{x11, xcb};

/// The connection behind a Display; null where it can't be told.
///
/// # Safety
/// A valid Display of Xlib's.
pub unsafe fn connection(display: *mut vk::Display) -> *mut c_void {
    type GetXcbConnection = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
    static FUNCTION: OnceLock<Option<GetXcbConnection>> = OnceLock::new();
    // SAFETY: the library only adds to Xlib, which the program has loaded, and the function has this type (X11/Xlib-xcb.h).
    let function = FUNCTION.get_or_init(|| unsafe { x11::function(c"libX11-xcb.so.1", c"XGetXCBConnection") });
    match function {
        // SAFETY: valid by contract.
        Some(f) if !display.is_null() => unsafe { f(display) },
        Some(_) => std::ptr::null_mut(),
        None => {
            error!("libX11-xcb.so.1 can't be loaded, which surfaces of Xlib's windows need");
            std::ptr::null_mut()
        }
    }
}

pub unsafe fn create_xlib_surface_khr(
    _: vk::Instance,
    info: *const vk::XlibSurfaceCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SurfaceKHR,
) -> vk::Result {
    // SAFETY: a valid struct, whose display outlives the surface, and the output parameter. Numbers of windows have 32 bits in X11's protocol.
    unsafe { xcb::create(connection((*info).dpy), (*info).window as u32, to) }
}

pub unsafe fn get_physical_device_xlib_presentation_support_khr(
    device: vk::PhysicalDevice,
    family: u32,
    display: *mut vk::Display,
    visual: vk::VisualID,
) -> vk::Bool32 {
    // SAFETY: a valid device and display.
    unsafe { xcb::get_physical_device_xcb_presentation_support_khr(device, family, connection(display), visual) }
}

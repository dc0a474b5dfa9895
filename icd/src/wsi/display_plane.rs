//! VK_KHR_display: planes, and surfaces on them. A plane is what pictures of one CRTC lie on, which has the CRTC's number; nothing lies above or below.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ash::vk;
use parking_lot::Mutex;

use crate::base::object::Part;
use crate::physical::instance::Instance;
use crate::wsi::display::{self, Display, hand_out};
use crate::wsi::display_canvas::DisplayCanvas;
use crate::wsi::display_lent::Lent;
use crate::wsi::display_mode;
use crate::wsi::display_scanout::Scanout;
use crate::wsi::surface;
use crate::wsi::window::{Canvas, Gone, Look, Unreachable, Window};

/// The planes of a device, each with the display that it is on.
///
/// # Safety
/// A valid device.
unsafe fn planes(device: vk::PhysicalDevice) -> Vec<vk::DisplayPlanePropertiesKHR> {
    // SAFETY: by contract.
    let Some((card, layout)) = (unsafe { display::layout(device) }) else { return Vec::new() };
    let told = |crtc| {
        let on = layout.outputs.iter().find(|o| o.crtc == Some(crtc));
        let current_display = on.and_then(|o| display::of_output(card, o)).unwrap_or_default();
        vk::DisplayPlanePropertiesKHR { current_display, current_stack_index: 0 }
    };
    layout.crtcs.iter().copied().map(told).collect()
}

pub unsafe fn get_physical_device_display_plane_properties_khr(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::DisplayPlanePropertiesKHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array.
    unsafe { hand_out(&planes(device), count, to, |p, plane| p.write(*plane)) }
}

pub unsafe fn get_physical_device_display_plane_properties2_khr(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::DisplayPlaneProperties2KHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array, whose head stays.
    unsafe { hand_out(&planes(device), count, to, |p, plane| (*p).display_plane_properties = *plane) }
}

pub unsafe fn get_display_plane_supported_displays_khr(
    device: vk::PhysicalDevice,
    plane: u32,
    count: *mut u32,
    to: *mut vk::DisplayKHR,
) -> vk::Result {
    // SAFETY: a valid device.
    let displays = unsafe { display::layout(device) }.map(|(card, layout)| {
        let crtc = layout.crtcs.get(plane as usize);
        let served = layout.outputs.iter().filter(|o| crtc.is_some_and(|c| o.crtcs.contains(c)));
        served.filter_map(|o| display::of_output(card, o)).collect()
    });
    let displays: Vec<vk::DisplayKHR> = displays.unwrap_or_default();
    // SAFETY: the entry point's parameters, and an element of the output array.
    unsafe { hand_out(&displays, count, to, |p, d| p.write(*d)) }
}

pub unsafe fn get_display_plane_capabilities_khr(
    _: vk::PhysicalDevice,
    mode: vk::DisplayModeKHR,
    _: u32,
    to: *mut vk::DisplayPlaneCapabilitiesKHR,
) -> vk::Result {
    let Some(mode) = display::get_mode(mode) else { return vk::Result::ERROR_UNKNOWN };
    // SAFETY: the output parameter.
    unsafe { to.write(display_mode::plane_capabilities(&mode.parameters)) };
    vk::Result::SUCCESS
}

pub unsafe fn get_display_plane_capabilities2_khr(
    device: vk::PhysicalDevice,
    info: *const vk::DisplayPlaneInfo2KHR,
    to: *mut vk::DisplayPlaneCapabilities2KHR,
) -> vk::Result {
    // SAFETY: valid structs, and a member of the output struct, whose head stays.
    unsafe {
        let (mode, plane) = ((*info).mode, (*info).plane_index);
        get_display_plane_capabilities_khr(device, mode, plane, &mut (*to).capabilities)
    }
}

/// A display in one of its modes.
struct DisplayWindow {
    display: Arc<Display>,
    mode: drm::control::Mode,
    parameters: vk::DisplayModeParametersKHR,
    plane: u32,
    /// The displays that were handed over to the surface's instance.
    lent: Arc<Lent>,
    /// By this its CRTC is told from other surfaces'.
    number: u64,
    /// Shared by the swapchains of the surface, of which an old one may end after a new one has shown pictures.
    scanout: Mutex<Weak<Scanout>>,
}

impl Window for DisplayWindow {
    fn look(&self) -> Result<Look, Gone> {
        Ok(Look {
            extent: Some(self.parameters.visible_region),
            alpha: vk::CompositeAlphaFlagsKHR::OPAQUE,
            // XRGB8888, a word in the processor's order: what every card's planes have.
            formats: &[vk::Format::B8G8R8A8_SRGB, vk::Format::B8G8R8A8_UNORM],
        })
    }

    fn canvas(&self, _: vk::Extent2D, _: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result> {
        let mut known = self.scanout.lock();
        let scanout = match known.upgrade() {
            Some(scanout) => scanout,
            None => {
                let master = self.lent.master(&self.display)?;
                Scanout::new(master, self.display.connector, self.plane, self.mode, self.number)?
            }
        };
        *known = Arc::downgrade(&scanout);
        Ok(Box::new(DisplayCanvas::new(scanout, self.parameters.visible_region)?))
    }

    fn refresh(&self) -> Option<Duration> {
        // Besides the flips: those of a virtual screen come at once.
        Some(display_mode::period(&self.parameters))
    }
}

pub unsafe fn create_display_plane_surface_khr(
    instance: vk::Instance,
    info: *const vk::DisplaySurfaceCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SurfaceKHR,
) -> vk::Result {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    // SAFETY: a valid struct.
    let info = unsafe { &*info };
    let Some(mode) = display::get_mode(info.display_mode) else {
        // Another driver's: loaders ask all drivers.
        // SAFETY: the output parameter.
        return unsafe { surface::create(Arc::new(Unreachable), to) };
    };
    let window = DisplayWindow {
        display: mode.display.clone(),
        mode: mode.mode,
        parameters: mode.parameters,
        plane: info.plane_index,
        // SAFETY: a valid instance.
        lent: Lent::of(unsafe { Instance::of(instance) }.connection()),
        // Relaxed: any number will do that no other surface has.
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        scanout: Mutex::default(),
    };
    // SAFETY: the output parameter.
    unsafe { surface::create(Arc::new(window), to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_other_drivers_make_surfaces_that_are_lost() {
        let info = vk::DisplaySurfaceCreateInfoKHR::default();
        let (mut handle, mut can) = (vk::SurfaceKHR::null(), vk::DisplayPlaneCapabilitiesKHR::default());
        // SAFETY: locals; neither instance nor device is looked at.
        let results = unsafe {
            [
                create_display_plane_surface_khr(vk::Instance::null(), &info, std::ptr::null(), &mut handle),
                get_display_plane_capabilities_khr(vk::PhysicalDevice::null(), info.display_mode, 0, &mut can),
            ]
        };
        assert_eq!(results, [vk::Result::SUCCESS, vk::Result::ERROR_UNKNOWN]);
        assert_eq!(surface::get(handle).unwrap().window.look().err(), Some(Gone));
        // SAFETY: a surface that no swapchain has.
        unsafe { surface::destroy_surface_khr(vk::Instance::null(), handle, std::ptr::null()) };
    }
}

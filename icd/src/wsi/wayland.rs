//! VK_KHR_wayland_surface.

use std::sync::Arc;
use std::time::Duration;

use ash::vk;
use parking_lot::Mutex;

use crate::base::object::Part;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::wayland_canvas::WaylandCanvas;
use crate::wsi::wayland_link::{self, Link};
use crate::wsi::wayland_offers::Offers;
use crate::wsi::window::{Canvas, DmaBufs, Gone, Look, Unreachable, Window};
use crate::wsi::{capabilities, surface, wayland_dmabuf};

/// A window of a Wayland compositor's. Nobody but the program knows its size.
struct WaylandWindow {
    /// What the compositor offers, once it was asked. Before the connection, in which it has a part.
    offers: Mutex<Option<Arc<Offers>>>,
    link: Arc<Link>,
}

impl WaylandWindow {
    fn offers(&self) -> Result<Arc<Offers>, Gone> {
        let mut asked = self.offers.lock();
        match &*asked {
            Some(offers) => Ok(offers.clone()),
            None => Ok(asked.insert(Arc::new(Offers::ask(&self.link)?)).clone()),
        }
    }
}

/// Whether what is behind a window is seen through its pictures.
fn sees_through(alpha: vk::CompositeAlphaFlagsKHR) -> bool {
    alpha.contains(vk::CompositeAlphaFlagsKHR::PRE_MULTIPLIED)
}

impl Window for WaylandWindow {
    fn look(&self) -> Result<Look, Gone> {
        self.link.check()?;
        use vk::CompositeAlphaFlagsKHR as A;
        let formats = &[vk::Format::B8G8R8A8_SRGB, vk::Format::B8G8R8A8_UNORM];
        Ok(Look { extent: None, alpha: A::OPAQUE | A::PRE_MULTIPLIED, formats })
    }

    fn canvas(&self, extent: vk::Extent2D, alpha: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result> {
        let (link, offers) = (self.link.clone(), self.offers()?);
        let canvas = WaylandCanvas::over_shm(link, &offers, extent, sees_through(alpha))?;
        Ok(Box::new(canvas))
    }

    fn takes_dma_bufs(&self, alpha: vk::CompositeAlphaFlagsKHR) -> Result<bool, Gone> {
        let format = wayland_dmabuf::format(sees_through(alpha));
        Ok(self.offers()?.dmabuf(format).is_some())
    }

    fn dma_buf_canvas(
        &self,
        extent: vk::Extent2D,
        alpha: vk::CompositeAlphaFlagsKHR,
        pictures: DmaBufs,
    ) -> Result<Option<Box<dyn Canvas>>, Gone> {
        let (link, offers) = (self.link.clone(), self.offers()?);
        // A lack of descriptors passes: it is no word of the compositor's, and counts for this swapchain alone.
        if !wayland_dmabuf::can_be_sent(&pictures) {
            return Ok(None);
        }
        let canvas = WaylandCanvas::over_dma_bufs(link, &offers, extent, sees_through(alpha), pictures)?;
        if canvas.is_none() {
            offers.refuse_dmabuf();
        }
        Ok(canvas.map(|canvas| Box::new(canvas) as Box<dyn Canvas>))
    }

    fn refresh(&self) -> Option<Duration> {
        None
    }

    fn check(&self) -> Result<(), Gone> {
        self.link.check()
    }

    /// What the program says of its wl_surface comes into force with the next wl_surface.commit, which is the presented picture's (Vulkan specification,
    /// VK_KHR_wayland_surface).
    fn goes_with_pictures(&self) -> bool {
        true
    }
}

pub unsafe fn create_wayland_surface_khr(
    _: vk::Instance,
    info: *const vk::WaylandSurfaceCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SurfaceKHR,
) -> vk::Result {
    // SAFETY: a valid struct, whose display and surface outlive the new surface, and the output parameter.
    unsafe { create((*info).display, (*info).surface, to) }
}

/// Makes a surface of a window of Wayland, which counts as gone where it can't be used.
///
/// # Safety
/// Null, or a display and a surface of libwayland-client's that outlive the new surface, and an output parameter.
unsafe fn create(display: *mut vk::wl_display, window: *mut vk::wl_surface, to: *mut vk::SurfaceKHR) -> vk::Result {
    // SAFETY: by contract.
    match unsafe { Link::new(display, window) } {
        // SAFETY: as above.
        Some(link) => unsafe {
            surface::create(Arc::new(WaylandWindow { offers: Mutex::default(), link: Arc::new(link) }), to)
        },
        // SAFETY: as above.
        None => unsafe { surface::create(Arc::new(Unreachable), to) },
    }
}

pub unsafe fn get_physical_device_wayland_presentation_support_khr(
    device: vk::PhysicalDevice,
    family: u32,
    display: *mut vk::wl_display,
) -> vk::Bool32 {
    // SAFETY: a valid device.
    let d = unsafe { PhysicalDevice::of(device) };
    // Whatever the compositor is like, it takes pictures in shared memory (wl_shm).
    (!display.is_null() && wayland_link::is_possible() && capabilities::presents(d, family)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri opens no libraries")]
    fn no_connection_makes_a_surface_that_is_lost() {
        let (mut handle, none) = (vk::SurfaceKHR::null(), std::ptr::null_mut());
        // SAFETY: no connection, and a local.
        assert_eq!(unsafe { create(none, none, &mut handle) }, vk::Result::SUCCESS);
        let made = surface::get(handle).unwrap();
        assert_eq!(made.window.look().err(), Some(Gone));
        // SAFETY: a surface that no swapchain has.
        unsafe { surface::destroy_surface_khr(vk::Instance::null(), handle, std::ptr::null()) };
    }
}

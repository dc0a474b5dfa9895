//! VkSurfaceKHR.

use std::sync::Arc;

use ash::vk;
use parking_lot::Mutex;

use crate::base::slab::{Kind, Slab};
use crate::wsi::window::Window;

/// What is behind a VkSurfaceKHR.
pub struct Surface {
    pub window: Arc<dyn Window>,
    /// The swapchain that has the window, which isn't retired; null for none.
    pub swapchain: Mutex<vk::SwapchainKHR>,
    /// The youngest swapchain that has shown a picture: older ones show none over it.
    shown_by: Mutex<u64>,
}

static SURFACES: Slab<Arc<Surface>> = Slab::new(Kind::Surface);

impl Surface {
    /// Runs `show` for the swapchain with this number, unless a younger one has shown something.
    pub fn showing<R>(&self, number: u64, show: impl FnOnce() -> R) -> Option<R> {
        // Held meanwhile, so that an older swapchain's picture isn't on its way when a younger one's is shown.
        let mut shown_by = self.shown_by.lock();
        if *shown_by > number {
            return None;
        }
        *shown_by = number;
        Some(show())
    }
}

/// Makes a surface.
///
/// # Safety
/// `to` is the output parameter of the command that makes it.
pub unsafe fn create(window: Arc<dyn Window>, to: *mut vk::SurfaceKHR) -> vk::Result {
    let new = Surface { window, swapchain: Mutex::default(), shown_by: Mutex::default() };
    // SAFETY: by contract.
    unsafe { SURFACES.create(Arc::new(new), to, || vk::Result::SUCCESS) }
}

/// The surface with this handle, if it is alive and this driver's.
///
/// # Errors
/// ERROR_SURFACE_LOST_KHR.
pub fn get(surface: vk::SurfaceKHR) -> Result<Arc<Surface>, vk::Result> {
    SURFACES.get(surface).cloned().ok_or(vk::Result::ERROR_SURFACE_LOST_KHR)
}

pub unsafe fn destroy_surface_khr(_: vk::Instance, surface: vk::SurfaceKHR, _: *const vk::AllocationCallbacks) {
    SURFACES.remove(surface);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wsi::window::Unreachable;

    #[test]
    fn an_older_swapchain_shows_nothing_over_a_younger_one() {
        let mut handle = vk::SurfaceKHR::null();
        // SAFETY: a local.
        assert_eq!(unsafe { create(Arc::new(Unreachable), &mut handle) }, vk::Result::SUCCESS);
        let surface = get(handle).unwrap();
        let shown: Vec<bool> = [3, 3, 5, 3, 5, 4, 7].map(|n| surface.showing(n, || ()).is_some()).into();
        assert_eq!(shown, [true, true, true, false, true, false, true]);
        // SAFETY: a surface that no swapchain has.
        unsafe { destroy_surface_khr(vk::Instance::null(), handle, std::ptr::null()) };
        assert_eq!(get(handle).err(), Some(vk::Result::ERROR_SURFACE_LOST_KHR));
        assert!(get(vk::SurfaceKHR::null()).is_err());
    }
}

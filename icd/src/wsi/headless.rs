//! VK_EXT_headless_surface: a surface without a window, whose pictures nobody sees.

use std::sync::Arc;
use std::time::Duration;

use ash::vk;

use crate::wsi::surface;
use crate::wsi::window::{Canvas, Gone, Look, Picture, Window};

struct Headless;

impl Window for Headless {
    fn look(&self) -> Result<Look, Gone> {
        Ok(Look {
            extent: None,
            alpha: vk::CompositeAlphaFlagsKHR::OPAQUE | vk::CompositeAlphaFlagsKHR::INHERIT,
            formats: &[
                vk::Format::B8G8R8A8_SRGB,
                vk::Format::B8G8R8A8_UNORM,
                vk::Format::R8G8B8A8_SRGB,
                vk::Format::R8G8B8A8_UNORM,
            ],
        })
    }

    fn canvas(&self, _: vk::Extent2D, _: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result> {
        Ok(Box::new(Headless))
    }

    fn is_seen(&self) -> bool {
        false
    }

    fn refresh(&self) -> Option<Duration> {
        None
    }
}

impl Canvas for Headless {
    fn show(&mut self, _: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
        Ok(None)
    }
}

pub unsafe fn create_headless_surface_ext(
    _: vk::Instance,
    _: *const vk::HeadlessSurfaceCreateInfoEXT,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SurfaceKHR,
) -> vk::Result {
    // SAFETY: the output parameter.
    unsafe { surface::create(Arc::new(Headless), to) }
}

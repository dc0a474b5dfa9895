//! How pictures of a swapchain get into the window, decided once for each swapchain, before its images are made: in the memory that the device has copied them
//! into, as dma-bufs that the window system's server reads itself; or, where that can't be, by one more copy, of the guest's processor's.
//!
//! Where the device is the host's processor, that copy is the only one: it draws in memory that the guest maps, as fast as in any other, and a copy on the queue
//! would only move bytes within it. Such images are linear, and everything that can be done with optimal ones can be done with them ([`draws_in_place`]). No
//! barrier makes the device's work visible to the host's processor, since that has done the work: once the fence of a present is signalled, the guest's processor,
//! which shares memory and coherent caches with it, reads what it wrote.
//! `HESPER_DEBUG=copied-windows` turns that off.
//!
//! There are always buffers enough, so that nobody waits for one: whoever presents an image needs one, each image that the screen has needs another at most,
//! and the server has [`HELD`] of them where it reads them itself. Images are let go of after their buffers (`images`).

use ash::vk;

use crate::base::log::debug;
use crate::base::room::is_short;
use crate::base::settings;
use crate::physical::device_extensions::MEMORY_FD;
use crate::physical::formats;
use crate::wsi::device::Device;
use crate::wsi::picture_buffer::{Layout, PictureBuffers};
use crate::wsi::presentable_image::{self, PresentableImage};
use crate::wsi::window::{Canvas, HELD, Window};

/// A way for pictures: what shows them, and the memory in which it finds them.
pub struct Handover {
    canvas: Box<dyn Canvas>,
    memory: Memory,
}

enum Memory {
    /// Buffers that the server reads, too.
    Shared(PictureBuffers),
    /// Buffers for the guest's processor.
    Copied,
    /// The images'.
    InPlace,
    /// Nobody sees the pictures.
    Unseen,
}

impl Handover {
    /// How the images are to lie in memory.
    pub fn tiling(&self) -> vk::ImageTiling {
        match self.memory {
            Memory::InPlace => vk::ImageTiling::LINEAR,
            _ => vk::ImageTiling::OPTIMAL,
        }
    }

    /// What shows the pictures of these images, and the memory that they are in for that.
    ///
    /// # Errors
    /// No room, or a lost host.
    ///
    /// # Safety
    /// A valid device and its images, both of which outlive what this returns.
    pub unsafe fn of(
        self,
        device: vk::Device,
        d: &Device,
        info: &vk::SwapchainCreateInfoKHR<'_>,
        images: &[PresentableImage],
    ) -> Result<(Box<dyn Canvas>, PictureBuffers), vk::Result> {
        let layout = Layout::read_here(info.image_extent).ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
        let buffers = match self.memory {
            Memory::Shared(buffers) => buffers,
            Memory::Unseen => PictureBuffers::unseen(device, layout, images.len()),
            // SAFETY: by contract.
            Memory::Copied => unsafe { make(device, d, layout, images.len()) }?,
            Memory::InPlace => {
                let places: Option<Vec<_>> = images.iter().map(|i| i.in_place).collect();
                let buffers = places.and_then(|p| PictureBuffers::in_place(device, &p));
                buffers.ok_or(vk::Result::ERROR_INITIALIZATION_FAILED)?
            }
        };
        Ok((self.canvas, buffers))
    }
}

/// The way for the pictures of a swapchain with this info, whose images may have these formats.
///
/// # Errors
/// Those of [`Window::canvas`], no room, or a lost host.
///
/// # Safety
/// A valid device, which outlives what this returns.
pub unsafe fn new(
    device: vk::Device,
    d: &Device,
    info: &vk::SwapchainCreateInfoKHR<'_>,
    formats: &[vk::Format],
    window: &dyn Window,
) -> Result<Handover, vk::Result> {
    // SAFETY: by contract.
    if let Some(shared) = unsafe { shared(device, d, info, window) }? {
        return Ok(shared);
    }
    let canvas = window.canvas(info.image_extent, info.composite_alpha)?;
    let memory = match window.is_seen() {
        false => Memory::Unseen,
        // SAFETY: by contract.
        true if settings::get().drawn_in_place && unsafe { draws_in_place(d, info, formats) } => Memory::InPlace,
        true => Memory::Copied,
    };
    Ok(Handover { canvas, memory })
}

/// Whether the device is the host's processor, all memory that the guest maps is coherent, and a linear image of this info can be whatever an optimal one of
/// these formats can.
///
/// # Safety
/// A valid device.
unsafe fn draws_in_place(d: &Device, info: &vk::SwapchainCreateInfoKHR<'_>, views: &[vk::Format]) -> bool {
    let memory = d.physical().memory.memory_types_as_slice();
    let is_coherent = |t: &vk::MemoryType| {
        use vk::MemoryPropertyFlags as M;
        !t.property_flags.contains(M::HOST_VISIBLE) || t.property_flags.contains(M::HOST_COHERENT)
    };
    if !d.physical().is_processor() || !memory.iter().all(is_coherent) {
        return false;
    }
    let physical = d.physical_handle();
    let does_as_much = |format: &vk::Format| {
        let mut told = vk::FormatProperties::default();
        // SAFETY: a valid device, and a local.
        unsafe { formats::get_physical_device_format_properties(physical, *format, &mut told) };
        told.linear_tiling_features.contains(told.optimal_tiling_features)
    };
    let i = presentable_image::create_info(info, vk::ImageTiling::LINEAR);
    let mut most = vk::ImageFormatProperties::default();
    // SAFETY: as above.
    let told = unsafe {
        let (format, ty, tiling, usage) = (i.format, i.image_type, i.tiling, i.usage);
        formats::get_physical_device_image_format_properties(physical, format, ty, tiling, usage, i.flags, &mut most)
    };
    let is_within = i.extent.width <= most.max_extent.width && i.extent.height <= most.max_extent.height;
    told == vk::Result::SUCCESS && is_within && views.iter().all(does_as_much)
}

/// The way by dma-bufs; `None` where something stands in it that doesn't stand in the other one.
///
/// # Errors
/// ERROR_SURFACE_LOST_KHR.
///
/// # Safety
/// As [`new`].
unsafe fn shared(
    device: vk::Device,
    d: &Device,
    info: &vk::SwapchainCreateInfoKHR<'_>,
    window: &dyn Window,
) -> Result<Option<Handover>, vk::Result> {
    let (extent, alpha) = (info.image_extent, info.composite_alpha);
    let exports = d.physical().offers(MEMORY_FD) && d.connection().winsys.exports_dma_bufs();
    if !settings::get().dma_bufs || !exports || !window.takes_dma_bufs(alpha)? {
        return Ok(None);
    }
    let Some(layout) = Layout::shared(extent) else { return Ok(None) };
    // SAFETY: by contract.
    let made = unsafe { make(device, d, layout, info.min_image_count as usize + HELD) };
    let exported = made.and_then(|buffers| Ok((buffers.export()?, buffers)));
    let (files, buffers) = match exported {
        Ok(both) => both,
        Err(e) => {
            debug!("pictures of a window aren't shared: {e:?}");
            return Ok(None);
        }
    };
    let canvas = window.dma_buf_canvas(extent, alpha, files)?;
    debug!("pictures of a window are {}", if canvas.is_some() { "shared" } else { "refused as dma-bufs" });
    Ok(canvas.map(|canvas| Handover { canvas, memory: Memory::Shared(buffers) }))
}

/// Makes buffers. What is kept at the host is given back where they find no room.
///
/// # Safety
/// As [`new`].
unsafe fn make(device: vk::Device, d: &Device, layout: Layout, count: usize) -> Result<PictureBuffers, vk::Result> {
    // SAFETY: by contract.
    let ask = || unsafe { PictureBuffers::new(device, layout, count) };
    d.connection().room.with(ask, |made| made.as_ref().is_err_and(is_short))
}

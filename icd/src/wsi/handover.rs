//! How pictures of a swapchain get into the window, decided once for each swapchain: in the memory that the device has copied them into, as dma-bufs that the
//! window system's server reads itself; or, where that can't be, by one more copy, of the guest's processor's.
//!
//! There are always buffers enough, so that nobody waits for one: whoever presents an image needs one, each image that the screen has needs another at most,
//! and the server has [`HELD`] of them where it reads them itself. Images are let go of after their buffers (`images`).

use ash::vk;

use crate::base::log::debug;
use crate::base::room::is_short;
use crate::base::settings;
use crate::physical::device_extensions::MEMORY_FD;
use crate::wsi::device::Device;
use crate::wsi::picture_buffer::{Layout, PictureBuffers};
use crate::wsi::window::{Canvas, HELD, Window};

type Handover = (Box<dyn Canvas>, PictureBuffers);

/// The way for the pictures of a swapchain with this info.
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
    window: &dyn Window,
) -> Result<Handover, vk::Result> {
    // SAFETY: by contract.
    if let Some(shared) = unsafe { shared(device, d, info, window) }? {
        return Ok(shared);
    }
    let canvas = window.canvas(info.image_extent, info.composite_alpha)?;
    let (layout, count) = (Layout::read_here(info.image_extent), info.min_image_count as usize);
    let buffers = match window.is_seen() {
        // SAFETY: as above.
        true => unsafe { make(device, d, layout, count) }?,
        false => PictureBuffers::unseen(device, layout, count),
    };
    Ok((canvas, buffers))
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
    Ok(canvas.map(|canvas| (canvas, buffers)))
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

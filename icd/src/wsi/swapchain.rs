//! VkSwapchainKHR.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use ash::vk;
use parking_lot::Mutex;

use crate::base::chain::{enumerate, find, slice};
use crate::base::object::Part;
use crate::base::room::is_short;
use crate::base::slab::{Kind, Slab};
use crate::wsi::capabilities::{self, MAX_IMAGES, MODES};
use crate::wsi::device::Device;
use crate::wsi::handover;
use crate::wsi::images::Images;
use crate::wsi::picture_buffer::PictureBuffers;
use crate::wsi::presentable_image::{PresentableImage, create_info};
use crate::wsi::presenter::Presenter;
use crate::wsi::surface::{self, Surface};
use crate::wsi::window::Canvas;

/// What is behind a VkSwapchainKHR.
pub struct Swapchain {
    pub surface: Arc<Surface>,
    pub images: Arc<Images>,
    pub pictures: Vec<PresentableImage>,
    /// What shows them. The thread has its part of it until it ends.
    pub presenter: Arc<Presenter>,
    /// How pictures are shown that don't say otherwise; changed by presents that do.
    pub mode: Mutex<vk::PresentModeKHR>,
    device: vk::Device,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Swapchain {
    fn drop(&mut self) {
        self.images.close();
        // The thread catches its panics.
        let _ = self.thread.take().map(JoinHandle::join);
        // SAFETY: a swapchain is dropped before its device is destroyed, when the program is done with the images; the thread has waited for what copied them.
        self.pictures.iter().for_each(|p| unsafe { p.destroy(self.device) });
    }
}

static SWAPCHAINS: Slab<Swapchain> = Slab::new(Kind::Swapchain);

/// The swapchain with this handle, if it is alive.
pub fn get(swapchain: vk::SwapchainKHR) -> Option<&'static Swapchain> {
    SWAPCHAINS.get(swapchain)
}

/// VK_KHR_present_id2 and VK_KHR_present_wait2 (VkSwapchainCreateFlagBitsKHR), which ash doesn't know yet.
const PRESENT_ID_2: u32 = 1 << 6;
const PRESENT_WAIT_2: u32 = 1 << 7;

/// The formats of the images of a swapchain, and of their views.
///
/// # Safety
/// A valid info with its chain.
unsafe fn formats(info: &vk::SwapchainCreateInfoKHR<'_>) -> Vec<vk::Format> {
    let mut formats = vec![info.image_format];
    // SAFETY: the info's chain, and the list of its struct.
    unsafe {
        if info.flags.contains(vk::SwapchainCreateFlagsKHR::MUTABLE_FORMAT)
            && let Some(list) = find::<vk::ImageFormatListCreateInfo>(info.p_next)
        {
            formats.extend_from_slice(slice(list.p_view_formats, list.view_format_count));
        }
    }
    formats
}

/// Whether a swapchain can be made like this.
///
/// # Safety
/// A valid info with its chain.
///
/// # Errors
/// ERROR_INITIALIZATION_FAILED, or ERROR_SURFACE_LOST_KHR.
unsafe fn check(info: &vk::SwapchainCreateInfoKHR<'_>, surface: &Surface, d: &Device) -> Result<(), vk::Result> {
    let flags = vk::SwapchainCreateFlagsKHR::MUTABLE_FORMAT
        | vk::SwapchainCreateFlagsKHR::DEFERRED_MEMORY_ALLOCATION_EXT
        | vk::SwapchainCreateFlagsKHR::from_raw(PRESENT_ID_2 | PRESENT_WAIT_2);
    let look = surface.window.look().map_err(|_| vk::Result::ERROR_SURFACE_LOST_KHR)?;
    let largest = d.physical().properties.limits.max_image_dimension2_d;
    // SAFETY: a valid device, and an info by contract.
    let (known, usage) = unsafe {
        let physical = d.physical_handle();
        // What their format can, or what the formats of their views can.
        (capabilities::formats(physical, &look), capabilities::usage(physical, &formats(info)))
    };
    let vk::Extent2D { width, height } = info.image_extent;
    let can = flags.contains(info.flags)
        && (1..=MAX_IMAGES).contains(&info.min_image_count)
        && known.contains(&info.image_format)
        && info.image_color_space == vk::ColorSpaceKHR::SRGB_NONLINEAR
        && (1..=largest).contains(&width)
        && (1..=largest).contains(&height)
        && info.image_array_layers == 1
        && !info.image_usage.is_empty()
        && usage.contains(info.image_usage)
        && info.pre_transform == vk::SurfaceTransformFlagsKHR::IDENTITY
        && look.alpha.contains(info.composite_alpha)
        && MODES.contains(&info.present_mode);
    if can { Ok(()) } else { Err(vk::Result::ERROR_INITIALIZATION_FAILED) }
}

pub unsafe fn create_swapchain_khr(
    device: vk::Device,
    info: *const vk::SwapchainCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::SwapchainKHR,
) -> vk::Result {
    // SAFETY: a valid device, info and output.
    let (d, info) = unsafe {
        to.write(vk::SwapchainKHR::null());
        (Device::of(device), &*info)
    };
    let surface = match surface::get(info.surface) {
        Ok(surface) => surface,
        Err(e) => return e,
    };
    // One thread at a time makes a swapchain of a surface.
    let mut owner = surface.swapchain.lock();
    // Retired even where no new one can be made (Vulkan specification, vkCreateSwapchainKHR).
    if let Some(old) = get(info.old_swapchain) {
        old.images.retire();
        if *owner == info.old_swapchain {
            *owner = vk::SwapchainKHR::null();
        }
    }
    if *owner != vk::SwapchainKHR::null() {
        return vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR;
    }
    // SAFETY: a valid info.
    if let Err(e) = unsafe { check(info, &surface, d) } {
        return e;
    }
    // SAFETY: a valid device and info.
    match unsafe { make(device, d, info, surface.clone()) } {
        Ok(swapchain) => {
            // SAFETY: the output parameter.
            let result = unsafe { SWAPCHAINS.create(swapchain, to, || vk::Result::SUCCESS) };
            if result == vk::Result::SUCCESS {
                // SAFETY: written above.
                *owner = unsafe { *to };
                d.swapchains.lock().push(*owner);
            }
            result
        }
        Err(e) => e,
    }
}

/// Makes the images, and what shows them.
unsafe fn make(
    device: vk::Device,
    d: &Device,
    info: &vk::SwapchainCreateInfoKHR<'_>,
    surface: Arc<Surface>,
) -> Result<Swapchain, vk::Result> {
    // SAFETY: by contract; what comes of it ends with the swapchain.
    let handover = unsafe { handover::new(device, d, info, &formats(info), surface.window.as_ref()) }?;
    // What is kept at the host is given back where the images find no room.
    // SAFETY: by contract.
    let ask = || unsafe { make_images(device, info, handover.tiling()) };
    let pictures = d.connection().room.with(ask, |made| made.as_ref().is_err_and(is_short))?;
    let images = Arc::new(Images::new(info.min_image_count));
    // SAFETY: a valid device by contract, and its images; the buffers end with their swapchain.
    let handover = unsafe { handover.of(device, d, info, &pictures) };
    match handover.and_then(|(canvas, buffers)| show(device, surface.clone(), images.clone(), canvas, buffers)) {
        Ok((presenter, thread)) => {
            let (mode, thread) = (Mutex::new(info.present_mode), Some(thread));
            Ok(Swapchain { surface, images, pictures, presenter, mode, device, thread })
        }
        Err(e) => {
            // SAFETY: nobody has seen them.
            pictures.iter().for_each(|p| unsafe { p.destroy(device) });
            Err(e)
        }
    }
}

/// Starts the thread that shows pictures.
fn show(
    device: vk::Device,
    surface: Arc<Surface>,
    images: Arc<Images>,
    canvas: Box<dyn Canvas>,
    buffers: PictureBuffers,
) -> Result<(Arc<Presenter>, JoinHandle<()>), vk::Result> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let presenter = Arc::new(Presenter {
        device,
        // Relaxed: the numbers count swapchains of one surface, whose lock the caller holds.
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        surface,
        images,
        buffers,
        canvas: Mutex::new(Some(canvas)),
    });
    let thread = presenter.clone().start().map_err(|_| vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    Ok((presenter, thread))
}

/// Makes all images, or none.
unsafe fn make_images(
    device: vk::Device,
    info: &vk::SwapchainCreateInfoKHR<'_>,
    tiling: vk::ImageTiling,
) -> Result<Vec<PresentableImage>, vk::Result> {
    // SAFETY: the info's chain.
    let mut formats = unsafe { find::<vk::ImageFormatListCreateInfo>(info.p_next) }.copied();
    let mut image = create_info(info, tiling);
    if let Some(list) = &mut formats {
        list.p_next = std::ptr::null();
        image.p_next = std::ptr::from_ref(list).cast();
    }
    let mut made = Vec::new();
    for _ in 0..info.min_image_count {
        // SAFETY: a valid device by contract.
        match unsafe { PresentableImage::new(device, &image) } {
            Ok(picture) => made.push(picture),
            Err(e) => {
                // SAFETY: nobody has seen them.
                made.iter().for_each(|p| unsafe { p.destroy(device) });
                return Err(e);
            }
        }
    }
    Ok(made)
}

pub unsafe fn destroy_swapchain_khr(
    device: vk::Device,
    swapchain: vk::SwapchainKHR,
    _: *const vk::AllocationCallbacks,
) {
    let Some(gone) = SWAPCHAINS.remove(swapchain) else { return };
    // SAFETY: a valid device.
    unsafe { Device::of(device) }.swapchains.lock().retain(|s| *s != swapchain);
    let surface = gone.surface.clone();
    drop(gone);
    let mut owner = surface.swapchain.lock();
    if *owner == swapchain {
        *owner = vk::SwapchainKHR::null();
    }
}

/// Ends the swapchains that a program has left behind.
///
/// # Safety
/// A valid device, whose work is over.
pub unsafe fn close(device: vk::Device) {
    // SAFETY: valid by contract.
    let left = std::mem::take(&mut *unsafe { Device::of(device) }.swapchains.lock());
    for swapchain in left {
        // SAFETY: as above.
        unsafe { destroy_swapchain_khr(device, swapchain, std::ptr::null()) };
    }
}

pub unsafe fn get_swapchain_images_khr(
    _: vk::Device,
    swapchain: vk::SwapchainKHR,
    count: *mut u32,
    to: *mut vk::Image,
) -> vk::Result {
    let pictures = get(swapchain).map_or(&[][..], |s| s.pictures.as_slice());
    let put = |i: usize, p: *mut vk::Image| {
        // SAFETY: an element of the output array.
        unsafe { p.write(pictures.get(i).map_or(vk::Image::null(), |picture| picture.image)) };
    };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(pictures.len(), count, to, put) }
}

/// No window system here shows more than sRGB, so what a picture's colors mean beyond that concerns nobody.
pub unsafe fn set_hdr_metadata_ext(_: vk::Device, _: u32, _: *const vk::SwapchainKHR, _: *const vk::HdrMetadataEXT) {}

//! What a surface can do on a physical device: the same for each device that has a queue which copies, since every image reaches the screen by a copy, or by a wait on a queue.

use ash::vk;

use crate::base::chain::{enumerate, find_tagged};
use crate::base::object::Part;
use crate::physical::formats;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::surface;
use crate::wsi::window::Look;

/// How pictures may be shown.
pub const MODES: [vk::PresentModeKHR; 3] =
    [vk::PresentModeKHR::FIFO, vk::PresentModeKHR::MAILBOX, vk::PresentModeKHR::IMMEDIATE];

/// Images that a swapchain needs: while one is copied and shown, the program draws the next.
const MIN_IMAGES: u32 = 2;

/// Images that a swapchain may have: more than any program has a use for.
pub const MAX_IMAGES: u32 = 64;

/// What the images of a swapchain may serve as, where their format can ([`usage`]).
const USAGE: [(vk::ImageUsageFlags, vk::FormatFeatureFlags); 6] = [
    (vk::ImageUsageFlags::TRANSFER_SRC, vk::FormatFeatureFlags::TRANSFER_SRC),
    (vk::ImageUsageFlags::TRANSFER_DST, vk::FormatFeatureFlags::TRANSFER_DST),
    (vk::ImageUsageFlags::SAMPLED, vk::FormatFeatureFlags::SAMPLED_IMAGE),
    (vk::ImageUsageFlags::STORAGE, vk::FormatFeatureFlags::STORAGE_IMAGE),
    (vk::ImageUsageFlags::COLOR_ATTACHMENT, vk::FormatFeatureFlags::COLOR_ATTACHMENT),
    (vk::ImageUsageFlags::INPUT_ATTACHMENT, vk::FormatFeatureFlags::COLOR_ATTACHMENT),
];

/// VkSurfaceCapabilitiesPresentId2KHR and VkSurfaceCapabilitiesPresentWait2KHR: a head and one VkBool32.
const ID_2: vk::StructureType = vk::StructureType::from_raw(1_000_479_000);
const WAIT_2: vk::StructureType = vk::StructureType::from_raw(1_000_480_000);

/// Whether the queues of a family can copy, and so present.
pub fn presents(d: &PhysicalDevice, family: u32) -> bool {
    use vk::QueueFlags as F;
    let family = d.families.get(family as usize);
    family.is_some_and(|f| f.queue_flags.intersects(F::GRAPHICS | F::COMPUTE | F::TRANSFER))
}

/// What a surface is like now.
fn look(surface: vk::SurfaceKHR) -> Result<Look, vk::Result> {
    surface::get(surface)?.window.look().map_err(|_| vk::Result::ERROR_SURFACE_LOST_KHR)
}

/// The formats of a surface that the device can copy and draw to.
///
/// # Safety
/// A valid device.
pub unsafe fn formats(device: vk::PhysicalDevice, look: &Look) -> Vec<vk::Format> {
    use vk::FormatFeatureFlags as F;
    let can = |format: &vk::Format| {
        // SAFETY: the caller's device.
        unsafe { features(device, *format) }.contains(F::COLOR_ATTACHMENT | F::TRANSFER_SRC)
    };
    look.formats.iter().copied().filter(can).collect()
}

/// What images of any of some formats may serve as.
///
/// # Safety
/// A valid device.
pub unsafe fn usage(device: vk::PhysicalDevice, formats: &[vk::Format]) -> vk::ImageUsageFlags {
    // SAFETY: by contract.
    let features = formats.iter().map(|f| unsafe { features(device, *f) });
    let any = features.fold(vk::FormatFeatureFlags::empty(), |any, f| any | f);
    let can = USAGE.iter().filter(|(_, feature)| any.contains(*feature)).map(|(usage, _)| *usage);
    can.fold(vk::ImageUsageFlags::empty(), |all, u| all | u)
}

unsafe fn features(device: vk::PhysicalDevice, format: vk::Format) -> vk::FormatFeatureFlags {
    let mut told = vk::FormatProperties::default();
    // SAFETY: a valid device, and a local.
    unsafe { formats::get_physical_device_format_properties(device, format, &mut told) };
    told.optimal_tiling_features
}

pub unsafe fn get_physical_device_surface_support_khr(
    device: vk::PhysicalDevice,
    family: u32,
    surface: vk::SurfaceKHR,
    to: *mut vk::Bool32,
) -> vk::Result {
    // SAFETY: a valid device and the output parameter.
    unsafe {
        to.write(vk::FALSE);
        match look(surface) {
            Ok(look) => {
                let can = presents(PhysicalDevice::of(device), family) && !formats(device, &look).is_empty();
                to.write(can.into());
                vk::Result::SUCCESS
            }
            // Programs ask every device, and some take an error of one for the end: this device can't show a picture there, another may.
            Err(vk::Result::ERROR_SURFACE_LOST_KHR) => vk::Result::SUCCESS,
            Err(e) => e,
        }
    }
}

pub unsafe fn get_physical_device_surface_capabilities_khr(
    device: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    to: *mut vk::SurfaceCapabilitiesKHR,
) -> vk::Result {
    let look = match look(surface) {
        Ok(look) => look,
        Err(e) => return e,
    };
    // SAFETY: a valid device.
    let largest = unsafe { PhysicalDevice::of(device) }.properties.limits.max_image_dimension2_d;
    let any = vk::Extent2D { width: u32::MAX, height: u32::MAX };
    let whole = vk::Extent2D { width: largest, height: largest };
    // What one format can and another can't is told for each format elsewhere (vkGetPhysicalDeviceImageFormatProperties).
    // SAFETY: as above.
    let usage = unsafe { usage(device, &formats(device, &look)) };
    let capabilities = vk::SurfaceCapabilitiesKHR {
        min_image_count: MIN_IMAGES,
        max_image_count: MAX_IMAGES,
        current_extent: look.extent.unwrap_or(any),
        min_image_extent: look.extent.unwrap_or(vk::Extent2D { width: 1, height: 1 }),
        max_image_extent: look.extent.unwrap_or(whole),
        max_image_array_layers: 1,
        supported_transforms: vk::SurfaceTransformFlagsKHR::IDENTITY,
        current_transform: vk::SurfaceTransformFlagsKHR::IDENTITY,
        supported_composite_alpha: look.alpha,
        supported_usage_flags: usage,
    };
    // SAFETY: the output parameter.
    unsafe { to.write(capabilities) };
    vk::Result::SUCCESS
}

/// VK_EXT_display_surface_counter. There are no counters: what reads them, VK_EXT_display_control, isn't offered.
pub unsafe fn get_physical_device_surface_capabilities2_ext(
    device: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    to: *mut vk::SurfaceCapabilities2EXT,
) -> vk::Result {
    let mut can = vk::SurfaceCapabilitiesKHR::default();
    // SAFETY: a valid device, and a local.
    let result = unsafe { get_physical_device_surface_capabilities_khr(device, surface, &mut can) };
    if result == vk::Result::SUCCESS {
        // SAFETY: a valid output struct, whose head stays.
        let to = unsafe { &mut *to };
        to.min_image_count = can.min_image_count;
        to.max_image_count = can.max_image_count;
        to.current_extent = can.current_extent;
        to.min_image_extent = can.min_image_extent;
        to.max_image_extent = can.max_image_extent;
        to.max_image_array_layers = can.max_image_array_layers;
        to.supported_transforms = can.supported_transforms;
        to.current_transform = can.current_transform;
        to.supported_composite_alpha = can.supported_composite_alpha;
        to.supported_usage_flags = can.supported_usage_flags;
        to.supported_surface_counters = vk::SurfaceCounterFlagsEXT::empty();
    }
    result
}

pub unsafe fn get_physical_device_surface_capabilities2_khr(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceSurfaceInfo2KHR,
    to: *mut vk::SurfaceCapabilities2KHR,
) -> vk::Result {
    // SAFETY: valid structs.
    let (surface, to) = unsafe { ((*info).surface, &mut *to) };
    // SAFETY: a valid device, and a member of the output struct.
    let result = unsafe { get_physical_device_surface_capabilities_khr(device, surface, &mut to.surface_capabilities) };
    if result != vk::Result::SUCCESS {
        return result;
    }
    let extents = (to.surface_capabilities.min_image_extent, to.surface_capabilities.max_image_extent);
    for (tag, yes) in
        [(vk::StructureType::SURFACE_PROTECTED_CAPABILITIES_KHR, vk::FALSE), (ID_2, vk::TRUE), (WAIT_2, vk::TRUE)]
    {
        // SAFETY: the struct's chain, and a struct of a head and one VkBool32.
        unsafe {
            if let Some(p) = find_tagged(to.p_next, tag) {
                p.add(1).cast::<vk::Bool32>().write(yes);
            }
        }
    }
    // SAFETY: the struct's chain.
    unsafe { maintenance(to.p_next, extents) };
    vk::Result::SUCCESS
}

/// Fills the structs of VK_KHR_surface_maintenance1: pictures aren't scaled, and all modes go together.
///
/// # Safety
/// Null or a valid chain of output structs.
unsafe fn maintenance(next: *mut std::ffi::c_void, extents: (vk::Extent2D, vk::Extent2D)) {
    use vk::StructureType as S;
    // SAFETY: structs of a valid chain, of the types that their tags tell of; an array that has room for its count, or null.
    unsafe {
        if let Some(p) = find_tagged(next, S::SURFACE_PRESENT_SCALING_CAPABILITIES_EXT) {
            let p = &mut *p.cast::<vk::SurfacePresentScalingCapabilitiesEXT>();
            p.supported_present_scaling = vk::PresentScalingFlagsEXT::empty();
            p.supported_present_gravity_x = vk::PresentGravityFlagsEXT::empty();
            p.supported_present_gravity_y = vk::PresentGravityFlagsEXT::empty();
            (p.min_scaled_image_extent, p.max_scaled_image_extent) = extents;
        }
        if let Some(p) = find_tagged(next, S::SURFACE_PRESENT_MODE_COMPATIBILITY_EXT) {
            let p = &mut *p.cast::<vk::SurfacePresentModeCompatibilityEXT>();
            let _ = modes(&mut p.present_mode_count, p.p_present_modes);
        }
    }
}

/// Hands out [`MODES`].
///
/// # Safety
/// As [`enumerate`].
unsafe fn modes(count: *mut u32, to: *mut vk::PresentModeKHR) -> vk::Result {
    let put = |i: usize, p: *mut vk::PresentModeKHR| {
        // SAFETY: an element of the output array.
        unsafe { p.write(MODES.get(i).copied().unwrap_or_default()) };
    };
    // SAFETY: by contract.
    unsafe { enumerate(MODES.len(), count, to, put) }
}

pub unsafe fn get_physical_device_surface_present_modes_khr(
    _: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    count: *mut u32,
    to: *mut vk::PresentModeKHR,
) -> vk::Result {
    match surface::get(surface) {
        // SAFETY: a count, and room for as many elements or null.
        Ok(_) => unsafe { modes(count, to) },
        Err(e) => e,
    }
}

/// Hands out a surface's formats; `put` writes one.
///
/// # Safety
/// A valid device, and as [`enumerate`].
unsafe fn list_formats<T>(
    device: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    count: *mut u32,
    to: *mut T,
    put: impl Fn(*mut T, vk::SurfaceFormatKHR),
) -> vk::Result {
    let look = match look(surface) {
        Ok(look) => look,
        Err(e) => return e,
    };
    // SAFETY: a valid device, and a count with room for as many elements or null, by contract.
    unsafe {
        let formats = formats(device, &look);
        let color_space = vk::ColorSpaceKHR::SRGB_NONLINEAR;
        let all = |i: usize| vk::SurfaceFormatKHR { format: formats.get(i).copied().unwrap_or_default(), color_space };
        enumerate(formats.len(), count, to, |i, p| put(p, all(i)))
    }
}

pub unsafe fn get_physical_device_surface_formats_khr(
    device: vk::PhysicalDevice,
    surface: vk::SurfaceKHR,
    count: *mut u32,
    to: *mut vk::SurfaceFormatKHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array.
    unsafe { list_formats(device, surface, count, to, |p, format| p.write(format)) }
}

pub unsafe fn get_physical_device_surface_formats2_khr(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceSurfaceInfo2KHR,
    count: *mut u32,
    to: *mut vk::SurfaceFormat2KHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array, whose head stays.
    unsafe { list_formats(device, (*info).surface, count, to, |p, format| (*p).surface_format = format) }
}

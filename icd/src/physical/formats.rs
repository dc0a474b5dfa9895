//! Formats and external handles: what images, buffers and synchronisation objects of a physical device can do.

use ash::vk;

use crate::base::chain::find;
use crate::base::object::Part;
use crate::generated::forward;
use crate::physical::format_properties::Format;
use crate::physical::physical_device::PhysicalDevice;

/// A format's properties, asked for once.
unsafe fn properties(device: vk::PhysicalDevice, format: vk::Format) -> Format {
    // SAFETY: a valid handle of the caller's, pointers to locals.
    unsafe {
        PhysicalDevice::of(device).formats.get(format, || {
            let mut three = vk::FormatProperties3::default();
            let mut two = vk::FormatProperties2 { p_next: (&raw mut three).cast(), ..Default::default() };
            forward::get_physical_device_format_properties2(device, format, &mut two);
            (two.format_properties, three)
        })
    }
}

pub unsafe fn get_physical_device_format_properties(
    device: vk::PhysicalDevice,
    format: vk::Format,
    to: *mut vk::FormatProperties,
) {
    // SAFETY: by valid usage.
    unsafe { *to = properties(device, format).0 };
}

pub unsafe fn get_physical_device_format_properties2(
    device: vk::PhysicalDevice,
    format: vk::Format,
    to: *mut vk::FormatProperties2,
) {
    // SAFETY: by valid usage.
    unsafe {
        let mut p: *mut vk::BaseOutStructure = (*to).p_next.cast();
        let mut other = false;
        while !p.is_null() {
            other |= (*p).s_type != vk::StructureType::FORMAT_PROPERTIES_3;
            p = (*p).p_next;
        }
        if other {
            return forward::get_physical_device_format_properties2(device, format, to);
        }
        let (two, three) = properties(device, format);
        (*to).format_properties = two;
        if let Some(p) = crate::base::chain::find_tagged((*to).p_next, vk::StructureType::FORMAT_PROPERTIES_3) {
            let p: *mut vk::FormatProperties3 = p.cast();
            (*p).linear_tiling_features = three.linear_tiling_features;
            (*p).optimal_tiling_features = three.optimal_tiling_features;
            (*p).buffer_features = three.buffer_features;
        }
    }
}

pub unsafe fn get_physical_device_image_format_properties(
    device: vk::PhysicalDevice,
    format: vk::Format,
    ty: vk::ImageType,
    tiling: vk::ImageTiling,
    usage: vk::ImageUsageFlags,
    flags: vk::ImageCreateFlags,
    to: *mut vk::ImageFormatProperties,
) -> vk::Result {
    let info = vk::PhysicalDeviceImageFormatInfo2 { format, ty, tiling, usage, flags, ..Default::default() };
    let mut two = vk::ImageFormatProperties2::default();
    // SAFETY: by valid usage, and pointers to locals.
    unsafe {
        let result = get_physical_device_image_format_properties2(device, &info, &mut two);
        *to = two.image_format_properties;
        result
    }
}

pub unsafe fn get_physical_device_image_format_properties2(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceImageFormatInfo2,
    to: *mut vk::ImageFormatProperties2,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        // No handle types are offered, so no image can have one.
        let external = find::<vk::PhysicalDeviceExternalImageFormatInfo>((*info).p_next);
        if external.is_some_and(|e| !e.handle_type.is_empty()) {
            return vk::Result::ERROR_FORMAT_NOT_SUPPORTED;
        }
        forward::get_physical_device_image_format_properties2(device, info, to)
    }
}

pub unsafe fn get_physical_device_external_buffer_properties(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceExternalBufferInfo,
    to: *mut vk::ExternalBufferProperties,
) {
    // SAFETY: by valid usage.
    unsafe { (*to).external_memory_properties = Default::default() };
}

pub unsafe fn get_physical_device_external_fence_properties(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceExternalFenceInfo,
    to: *mut vk::ExternalFenceProperties,
) {
    // SAFETY: by valid usage.
    unsafe { *to = vk::ExternalFenceProperties { p_next: (*to).p_next, ..Default::default() } };
}

pub unsafe fn get_physical_device_external_semaphore_properties(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceExternalSemaphoreInfo,
    to: *mut vk::ExternalSemaphoreProperties,
) {
    // SAFETY: by valid usage.
    unsafe { *to = vk::ExternalSemaphoreProperties { p_next: (*to).p_next, ..Default::default() } };
}

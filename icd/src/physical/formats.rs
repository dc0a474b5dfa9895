//! Formats and external handles: what images, buffers and synchronisation objects of a physical device can do.

use ash::vk;

use crate::base::chain::{find, find_tagged};
use crate::base::object::Part;
use crate::generated::forward;
use crate::physical::device_extensions::{FENCE_FD, MEMORY_FD, SEMAPHORE_FD};
use crate::physical::format_properties::Format;
use crate::physical::handle_types::{self, HostChain, OFFERED};
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
    // SAFETY: a valid handle.
    let (properties, _) = unsafe { properties(device, format) };
    // SAFETY: the output parameter.
    unsafe { to.write(properties) };
}

pub unsafe fn get_physical_device_format_properties2(
    device: vk::PhysicalDevice,
    format: vk::Format,
    to: *mut vk::FormatProperties2,
) {
    // SAFETY: a valid output struct.
    let next = unsafe { (*to).p_next };
    // SAFETY: the struct's chain.
    let three = unsafe { find_tagged(next, vk::StructureType::FORMAT_PROPERTIES_3) };
    // SAFETY: a struct of the chain, if there is one.
    let others = unsafe { next.cast::<vk::BaseOutStructure>().as_ref() }
        .is_some_and(|first| three != Some(next.cast()) || !first.p_next.is_null());
    if others {
        // SAFETY: the command's own parameters.
        return unsafe { forward::get_physical_device_format_properties2(device, format, to) };
    }
    // SAFETY: a valid handle.
    let known = unsafe { properties(device, format) };
    // SAFETY: a valid output struct.
    unsafe { (*to).format_properties = known.0 };
    if let Some(three) = three.map(|p| p.cast::<vk::FormatProperties3>()) {
        // SAFETY: the struct that its sType tells of, and nobody else's.
        let three = unsafe { &mut *three };
        three.linear_tiling_features = known.1.linear_tiling_features;
        three.optimal_tiling_features = known.1.optimal_tiling_features;
        three.buffer_features = known.1.buffer_features;
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
    // SAFETY: a valid handle, and structs made here.
    let result = unsafe { get_physical_device_image_format_properties2(device, &info, &mut two) };
    // SAFETY: the output parameter.
    unsafe { to.write(two.image_format_properties) };
    result
}

pub unsafe fn get_physical_device_image_format_properties2(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceImageFormatInfo2,
    to: *mut vk::ImageFormatProperties2,
) -> vk::Result {
    // SAFETY: a valid handle, and a valid struct with its chain.
    let (d, mut asked) = unsafe { (PhysicalDevice::of(device), *info) };
    // SAFETY: the struct's chain.
    let external = unsafe { find::<vk::PhysicalDeviceExternalImageFormatInfo>(asked.p_next) };
    let external = external.map(|e| e.handle_type).filter(|t| !t.is_empty());
    if external.is_some_and(|t| !d.offers(MEMORY_FD) || !OFFERED.contains(t)) {
        return vk::Result::ERROR_FORMAT_NOT_SUPPORTED;
    }
    // SAFETY: the struct's chain.
    let for_host = unsafe { HostChain::of(asked.p_next) };
    if let Some(chain) = &for_host {
        asked.p_next = chain.first();
    }
    // SAFETY: the command's own parameters, with a copy of its input that outlives the call.
    let result = unsafe { forward::get_physical_device_image_format_properties2(device, &asked, to) };
    // SAFETY: a valid output struct with its chain.
    let told = unsafe { find_tagged((*to).p_next, vk::StructureType::EXTERNAL_IMAGE_FORMAT_PROPERTIES) };
    if let Some(told) = told.map(|p| p.cast::<vk::ExternalImageFormatProperties>()) {
        // SAFETY: the struct that its sType tells of, and nobody else's.
        let told = unsafe { &mut (*told).external_memory_properties };
        let known = external.is_some() && result == vk::Result::SUCCESS;
        *told = if known { handle_types::shown(*told, d.connection().winsys.imports()) } else { Default::default() };
    }
    result
}

pub unsafe fn get_physical_device_external_buffer_properties(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceExternalBufferInfo,
    to: *mut vk::ExternalBufferProperties,
) {
    // SAFETY: a valid handle, and a valid struct with its chain.
    let (d, mut asked) = unsafe { (PhysicalDevice::of(device), *info) };
    let mut told = vk::ExternalBufferProperties::default();
    if d.offers(MEMORY_FD) && OFFERED.contains(asked.handle_type) && !asked.handle_type.is_empty() {
        asked.handle_type = handle_types::HOST;
        // SAFETY: a valid handle, a copy of the command's input with its chain, and a struct made here.
        unsafe { forward::get_physical_device_external_buffer_properties(device, &asked, &mut told) };
        told.external_memory_properties =
            handle_types::shown(told.external_memory_properties, d.connection().winsys.imports());
    }
    // SAFETY: a valid output struct, whose head stays.
    unsafe { (*to).external_memory_properties = told.external_memory_properties };
}

pub unsafe fn get_physical_device_external_fence_properties(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceExternalFenceInfo,
    to: *mut vk::ExternalFenceProperties,
) {
    let file = vk::ExternalFenceHandleTypeFlags::SYNC_FD;
    // SAFETY: a valid handle and info, and a valid output struct, whose head stays.
    unsafe {
        *to = vk::ExternalFenceProperties { p_next: (*to).p_next, ..Default::default() };
        if (*info).handle_type == file && PhysicalDevice::of(device).offers(FENCE_FD) {
            (*to).export_from_imported_handle_types = file;
            (*to).compatible_handle_types = file;
            (*to).external_fence_features =
                vk::ExternalFenceFeatureFlags::EXPORTABLE | vk::ExternalFenceFeatureFlags::IMPORTABLE;
        }
    }
}

pub unsafe fn get_physical_device_external_semaphore_properties(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceExternalSemaphoreInfo,
    to: *mut vk::ExternalSemaphoreProperties,
) {
    let file = vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD;
    // SAFETY: a valid handle and info with its chain, and a valid output struct, whose head stays.
    unsafe {
        *to = vk::ExternalSemaphoreProperties { p_next: (*to).p_next, ..Default::default() };
        let kind = find::<vk::SemaphoreTypeCreateInfo>((*info).p_next);
        // Such a file stands for one signal, and not for the values of a timeline.
        let binary = kind.is_none_or(|k| k.semaphore_type == vk::SemaphoreType::BINARY);
        if (*info).handle_type == file && binary && PhysicalDevice::of(device).offers(SEMAPHORE_FD) {
            (*to).export_from_imported_handle_types = file;
            (*to).compatible_handle_types = file;
            (*to).external_semaphore_features =
                vk::ExternalSemaphoreFeatureFlags::EXPORTABLE | vk::ExternalSemaphoreFeatureFlags::IMPORTABLE;
        }
    }
}

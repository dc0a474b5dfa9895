//! Handles of memory, fences and semaphores for other processes, and sparse resources: there are none.
//!
//! One answer is for virglrenderer alone. On macOS it hands out memory as a file of its own making. Here it can only do so where the driver
//! below exports memory, and asks once whether the driver does; so that one question, which has nothing in it but the handle's type and a
//! usage, is answered with yes.

use ash::vk;

use crate::chain;

/// virglrenderer's question.
fn is_virglrenderers(info: &vk::PhysicalDeviceExternalBufferInfo) -> bool {
    info.handle_type == vk::ExternalMemoryHandleTypeFlags::OPAQUE_FD
        && info.usage == vk::BufferUsageFlags::TRANSFER_SRC
        && info.flags.is_empty()
        && info.p_next.is_null()
}

pub unsafe extern "system" fn get_external_buffer_properties(
    _: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceExternalBufferInfo,
    to: *mut vk::ExternalBufferProperties,
) {
    let fd = vk::ExternalMemoryHandleTypeFlags::OPAQUE_FD;
    let exported = vk::ExternalMemoryProperties {
        external_memory_features: vk::ExternalMemoryFeatureFlags::EXPORTABLE,
        export_from_imported_handle_types: fd,
        compatible_handle_types: fd,
    };
    // SAFETY: called with valid arguments.
    unsafe {
        let answer = if is_virglrenderers(&*info) { exported } else { Default::default() };
        (*to).external_memory_properties = answer;
    }
}

pub unsafe extern "system" fn get_external_fence_properties(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceExternalFenceInfo,
    to: *mut vk::ExternalFenceProperties,
) {
    // SAFETY: a valid output struct, whose head stays.
    unsafe { *to = vk::ExternalFenceProperties { p_next: (*to).p_next, ..Default::default() } };
}

pub unsafe extern "system" fn get_external_semaphore_properties(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceExternalSemaphoreInfo,
    to: *mut vk::ExternalSemaphoreProperties,
) {
    // SAFETY: a valid output struct, whose head stays.
    unsafe { *to = vk::ExternalSemaphoreProperties { p_next: (*to).p_next, ..Default::default() } };
}

const SPARSE: vk::ImageCreateFlags = vk::ImageCreateFlags::from_raw(
    vk::ImageCreateFlags::SPARSE_BINDING.as_raw()
        | vk::ImageCreateFlags::SPARSE_RESIDENCY.as_raw()
        | vk::ImageCreateFlags::SPARSE_ALIASED.as_raw(),
);

pub unsafe extern "system" fn get_image_format_properties(
    device: vk::PhysicalDevice,
    format: vk::Format,
    ty: vk::ImageType,
    tiling: vk::ImageTiling,
    usage: vk::ImageUsageFlags,
    flags: vk::ImageCreateFlags,
    to: *mut vk::ImageFormatProperties,
) -> vk::Result {
    // SAFETY: called with valid arguments, which are handed on.
    unsafe {
        match chain::instance_of(device) {
            Some(i) if !flags.intersects(SPARSE) => {
                (i.v1_0.get_physical_device_image_format_properties)(device, format, ty, tiling, usage, flags, to)
            }
            _ => vk::Result::ERROR_FORMAT_NOT_SUPPORTED,
        }
    }
}

pub unsafe extern "system" fn get_image_format_properties2(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceImageFormatInfo2,
    to: *mut vk::ImageFormatProperties2,
) -> vk::Result {
    // SAFETY: called with valid arguments, which are handed on.
    unsafe {
        let tiled = (*info).tiling == vk::ImageTiling::DRM_FORMAT_MODIFIER_EXT;
        match chain::instance_of(device) {
            Some(i) if !tiled && !(*info).flags.intersects(SPARSE) && !is_external((*info).p_next.cast()) => {
                (i.v1_1.get_physical_device_image_format_properties2)(device, info, to)
            }
            _ => vk::Result::ERROR_FORMAT_NOT_SUPPORTED,
        }
    }
}

/// Whether an image is asked for that other processes have as well.
unsafe fn is_external(mut p: *const vk::BaseInStructure) -> bool {
    // SAFETY: the caller's chain is valid.
    unsafe {
        while !p.is_null() {
            if (*p).s_type == vk::StructureType::PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO {
                return !(*p.cast::<vk::PhysicalDeviceExternalImageFormatInfo>()).handle_type.is_empty();
            }
            p = (*p).p_next;
        }
    }
    false
}

pub unsafe extern "system" fn get_sparse_image_format_properties(
    _: vk::PhysicalDevice,
    _: vk::Format,
    _: vk::ImageType,
    _: vk::SampleCountFlags,
    _: vk::ImageUsageFlags,
    _: vk::ImageTiling,
    count: *mut u32,
    _: *mut vk::SparseImageFormatProperties,
) {
    // SAFETY: the count, an output parameter.
    unsafe { count.write(0) };
}

pub unsafe extern "system" fn get_sparse_image_format_properties2(
    _: vk::PhysicalDevice,
    _: *const vk::PhysicalDeviceSparseImageFormatInfo2,
    count: *mut u32,
    _: *mut vk::SparseImageFormatProperties2,
) {
    // SAFETY: the count, an output parameter.
    unsafe { count.write(0) };
}

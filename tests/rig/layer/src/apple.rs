//! `HESPER_TEST_LAYER_APPLE=moltenvk|kosmickrisp`: the device is one of Apple's, as one of the two Vulkan drivers there has it and as
//! virglrenderer hands it on from macOS: all memory in one heap, none of it behind a dma-buf, no file descriptors of fences and semaphores,
//! fewer features and extensions, one pipeline compiled at a time. docs/macos.md has the sources.
//!
//! `moltenvk-bare` is MoltenVK behind krunkit's virglrenderer, which shows nothing that MoltenVK doesn't: a guest isn't told of any way to
//! share memory. virglrenderer on Linux has no way to hand out memory then, so this host is one to look at only.
//!
//! What the real device lacks beneath stays lacking: an extension of the list that lavapipe doesn't have isn't shown, and of the lanes of a
//! subgroup, 32 as they are said to be, shaders get no other use than those that don't tell their number.
//!
//! `host` is which device, `extensions` and `features` are what there is, `properties` what it is like, `memory` the types of memory, `external` the handles that
//! there aren't, `compiler` the pool of one.

pub mod compiler;
pub mod extensions;
pub mod external;
pub mod features;
pub mod host;
pub mod memory;
pub mod properties;

use ash::vk;

use host::host;

/// Entry points of an instance and its physical devices.
pub fn instance_entry(name: &[u8]) -> vk::PFN_vkVoidFunction {
    host()?;
    // By the names that they have in Vulkan, or had as extensions of the Khronos group.
    intercept!(name.strip_suffix(b"KHR").unwrap_or(name),
        b"vkGetPhysicalDeviceFeatures" => features::get_features,
        b"vkGetPhysicalDeviceFeatures2" => features::get_features2,
        b"vkGetPhysicalDeviceProperties" => properties::get_properties,
        b"vkGetPhysicalDeviceProperties2" => properties::get_properties2,
        b"vkGetPhysicalDeviceQueueFamilyProperties" => properties::get_queue_family_properties,
        b"vkGetPhysicalDeviceQueueFamilyProperties2" => properties::get_queue_family_properties2,
        b"vkGetPhysicalDeviceImageFormatProperties" => external::get_image_format_properties,
        b"vkGetPhysicalDeviceImageFormatProperties2" => external::get_image_format_properties2,
        b"vkGetPhysicalDeviceSparseImageFormatProperties" => external::get_sparse_image_format_properties,
        b"vkGetPhysicalDeviceSparseImageFormatProperties2" => external::get_sparse_image_format_properties2,
        b"vkGetPhysicalDeviceExternalBufferProperties" => external::get_external_buffer_properties,
        b"vkGetPhysicalDeviceExternalFenceProperties" => external::get_external_fence_properties,
        b"vkGetPhysicalDeviceExternalSemaphoreProperties" => external::get_external_semaphore_properties,
    );
    None
}

/// Entry points of a device.
pub fn device_entry(name: &[u8]) -> vk::PFN_vkVoidFunction {
    host()?;
    intercept!(name,
        b"vkCreateComputePipelines" => compiler::create_compute_pipelines,
        b"vkCreateGraphicsPipelines" => compiler::create_graphics_pipelines,
    );
    None
}

/// What a program gets for asking a device for what there isn't.
///
/// # Safety
/// Valid arguments of vkCreateDevice.
pub unsafe fn refusal(info: &vk::DeviceCreateInfo) -> Option<vk::Result> {
    let host = host()?;
    // SAFETY: valid by contract.
    let (extension, feature) = unsafe { (extensions::missing(host, info), features::missing(host, info)) };
    if let Some(name) = extension {
        eprintln!("test layer: fatal: a device with {name:?}, which an Apple host doesn't have");
        return Some(vk::Result::ERROR_EXTENSION_NOT_PRESENT);
    }
    if feature {
        eprintln!("test layer: fatal: a device with a feature that an Apple host doesn't have");
        return Some(vk::Result::ERROR_FEATURE_NOT_PRESENT);
    }
    None
}

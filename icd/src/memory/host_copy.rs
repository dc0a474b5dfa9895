//! Copies between host memory and images without a queue: not offered yet (docs/STATUS.md).

use ash::vk;

pub unsafe fn copy_memory_to_image(_: vk::Device, _: *const vk::CopyMemoryToImageInfoEXT) -> vk::Result {
    vk::Result::ERROR_FEATURE_NOT_PRESENT
}

pub unsafe fn copy_image_to_memory(_: vk::Device, _: *const vk::CopyImageToMemoryInfoEXT) -> vk::Result {
    vk::Result::ERROR_FEATURE_NOT_PRESENT
}

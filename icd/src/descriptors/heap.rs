//! Descriptors as bytes (VK_EXT_descriptor_heap): not offered yet (docs/STATUS.md).

use ash::vk;
use hesper_encoder::generated::types;

pub unsafe fn write_sampler_descriptors_ext(
    _: vk::Device,
    _: u32,
    _: *const vk::SamplerCreateInfo,
    _: *const types::HostAddressRangeEXT,
) -> vk::Result {
    vk::Result::ERROR_FEATURE_NOT_PRESENT
}

pub unsafe fn write_resource_descriptors_ext(
    _: vk::Device,
    _: u32,
    _: *const types::ResourceDescriptorInfoEXT,
    _: *const types::HostAddressRangeEXT,
) -> vk::Result {
    vk::Result::ERROR_FEATURE_NOT_PRESENT
}

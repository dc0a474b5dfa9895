//! VkPipelineCache: the host's data behind a header of the guest's own.

use std::ffi::c_void;
use std::ptr;

use ash::vk;

use crate::base::object::Part;
use crate::generated::forward;
use crate::physical::device::Device;
use crate::pipelines::compiling;

/// Bytes of the guest's own header in front of the host's data (Vulkan specification, "Pipeline Cache Header").
const HEADER: usize = 32;

fn header(device: vk::Device) -> [u8; HEADER] {
    // SAFETY: called by entry points with their own device.
    let p = unsafe { Device::of(device) }.physical().properties;
    let mut b = [0; HEADER];
    let words = [HEADER as u32, vk::PipelineCacheHeaderVersion::ONE.as_raw() as u32, p.vendor_id, p.device_id];
    for (to, from) in b.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    for (to, from) in b.iter_mut().skip(16).zip(p.pipeline_cache_uuid) {
        *to = from;
    }
    b
}

pub unsafe fn create_pipeline_cache(
    device: vk::Device,
    info: *const vk::PipelineCacheCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::PipelineCache,
) -> vk::Result {
    // SAFETY: vkCreatePipelineCache takes a valid create info, whose data is as long as it says.
    unsafe {
        let mut info = *info;
        // The program synchronises its own calls, which return before the host has compiled.
        info.flags &= !vk::PipelineCacheCreateFlags::EXTERNALLY_SYNCHRONIZED;
        let data: &[u8] = if info.p_initial_data.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(info.p_initial_data.cast(), info.initial_data_size)
        };
        // Data of another device or driver is no error: the cache starts empty.
        let host = data.strip_prefix(header(device).as_slice()).unwrap_or_default();
        info.initial_data_size = host.len();
        info.p_initial_data = if host.is_empty() { ptr::null() } else { host.as_ptr().cast() };
        forward::create_pipeline_cache(device, &info, allocator, to)
    }
}

pub unsafe fn get_pipeline_cache_data(
    device: vk::Device,
    cache: vk::PipelineCache,
    size: *mut usize,
    data: *mut c_void,
) -> vk::Result {
    // What was compiled before is in it.
    compiling::settle_all(device);
    // SAFETY: the entry point's own arguments.
    unsafe { data_so_far(device, cache, size, data) }
}

pub unsafe fn merge_pipeline_caches(
    device: vk::Device,
    to: vk::PipelineCache,
    n: u32,
    from: *const vk::PipelineCache,
) -> vk::Result {
    compiling::settle_all(device);
    // SAFETY: the entry point's own arguments.
    unsafe { forward::merge_pipeline_caches(device, to, n, from) }
}

/// What vkGetPipelineCacheData gives, whether or not the host still compiles.
///
/// # Safety
/// Valid arguments of vkGetPipelineCacheData.
pub unsafe fn data_so_far(
    device: vk::Device,
    cache: vk::PipelineCache,
    size: *mut usize,
    data: *mut c_void,
) -> vk::Result {
    // SAFETY: by contract.
    unsafe {
        if data.is_null() {
            let result = forward::get_pipeline_cache_data(device, cache, size, data);
            *size = if result == vk::Result::SUCCESS { *size + HEADER } else { 0 };
            return result;
        }
        let Some(mut room) = (*size).checked_sub(HEADER) else {
            *size = 0;
            return vk::Result::INCOMPLETE;
        };
        let result = forward::get_pipeline_cache_data(device, cache, &mut room, data.cast::<u8>().add(HEADER).cast());
        if result.as_raw() < 0 {
            *size = 0;
            return result;
        }
        data.cast::<[u8; HEADER]>().write_unaligned(header(device));
        *size = HEADER + room;
        result
    }
}

//! Questions about the shader groups of ray tracing pipelines, which have to be there.

use std::ffi::c_void;

use ash::vk;

use crate::generated::forward;
use crate::pipelines::compiling::settle;

pub unsafe fn get_ray_tracing_shader_group_handles_khr(
    device: vk::Device,
    pipeline: vk::Pipeline,
    first: u32,
    n: u32,
    size: usize,
    to: *mut c_void,
) -> vk::Result {
    if let Err(e) = settle(pipeline) {
        return e;
    }
    // SAFETY: the entry point's own arguments.
    unsafe { forward::get_ray_tracing_shader_group_handles_khr(device, pipeline, first, n, size, to) }
}

pub unsafe fn get_ray_tracing_capture_replay_shader_group_handles_khr(
    device: vk::Device,
    pipeline: vk::Pipeline,
    first: u32,
    n: u32,
    size: usize,
    to: *mut c_void,
) -> vk::Result {
    if let Err(e) = settle(pipeline) {
        return e;
    }
    // SAFETY: the entry point's own arguments.
    unsafe { forward::get_ray_tracing_capture_replay_shader_group_handles_khr(device, pipeline, first, n, size, to) }
}

pub unsafe fn get_ray_tracing_shader_group_stack_size_khr(
    device: vk::Device,
    pipeline: vk::Pipeline,
    group: u32,
    shader: vk::ShaderGroupShaderKHR,
) -> vk::DeviceSize {
    if settle(pipeline).is_err() {
        return 0;
    }
    // SAFETY: the entry point's own arguments.
    unsafe { forward::get_ray_tracing_shader_group_stack_size_khr(device, pipeline, group, shader) }
}

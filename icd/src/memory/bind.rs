//! Binding memory to buffers and images.

use ash::vk;

use crate::base::chain::{find, slice};
use crate::generated::forward;
use crate::memory::buffer;

/// Tells each binding's result, which the host can't write where the application wants it.
unsafe fn tell<T>(infos: &[T], next: impl Fn(&T) -> *const std::ffi::c_void, result: vk::Result) {
    for i in infos {
        // SAFETY: by valid usage of the bind commands.
        unsafe {
            if let Some(status) = find::<vk::BindMemoryStatusKHR>(next(i)) {
                *status.p_result = result;
            }
        }
    }
}

pub unsafe fn bind_buffer_memory(
    device: vk::Device,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
) -> vk::Result {
    buffer::bound(buffer, memory, offset);
    // SAFETY: by valid usage.
    unsafe { forward::bind_buffer_memory(device, buffer, memory, offset) }
}

pub unsafe fn bind_buffer_memory2(device: vk::Device, n: u32, infos: *const vk::BindBufferMemoryInfo) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        for i in slice(infos, n) {
            buffer::bound(i.buffer, i.memory, i.memory_offset);
        }
        let result = forward::bind_buffer_memory2(device, n, infos);
        tell(slice(infos, n), |i| i.p_next, result);
        result
    }
}

pub unsafe fn bind_image_memory2(device: vk::Device, n: u32, infos: *const vk::BindImageMemoryInfo) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let result = forward::bind_image_memory2(device, n, infos);
        tell(slice(infos, n), |i| i.p_next, result);
        result
    }
}

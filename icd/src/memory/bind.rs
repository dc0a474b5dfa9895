//! Binding memory to buffers and images.

use ash::vk;

use crate::base::chain::{find, slice};
use crate::generated::forward;
use crate::memory::{buffer, image};

/// Tells each binding's result, which the host can't write where the application wants it.
unsafe fn tell<T>(infos: &[T], next: impl Fn(&T) -> *const std::ffi::c_void, result: vk::Result) {
    for i in infos {
        // SAFETY: the chain of a valid struct.
        if let Some(status) = unsafe { find::<vk::BindMemoryStatusKHR>(next(i)) } {
            // SAFETY: the struct's output, which the program gives for each binding.
            unsafe { status.p_result.write(result) };
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
    // SAFETY: the command's own parameters.
    unsafe { forward::bind_buffer_memory(device, buffer, memory, offset) }
}

pub unsafe fn bind_buffer_memory2(device: vk::Device, n: u32, infos: *const vk::BindBufferMemoryInfo) -> vk::Result {
    // SAFETY: an array of this length.
    let list = unsafe { slice(infos, n) };
    for i in list {
        buffer::bound(i.buffer, i.memory, i.memory_offset);
    }
    // SAFETY: the command's own parameters.
    let result = unsafe { forward::bind_buffer_memory2(device, n, infos) };
    // SAFETY: valid structs with their chains.
    unsafe { tell(list, |i| i.p_next, result) };
    result
}

pub unsafe fn bind_image_memory(
    device: vk::Device,
    image: vk::Image,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
) -> vk::Result {
    // SAFETY: the command's own parameters.
    let result = unsafe { forward::bind_image_memory(device, image, memory, offset) };
    if result == vk::Result::SUCCESS {
        image::bound(image, memory);
    }
    result
}

/// Whether a binding is of the whole image, and to memory of the program's own.
///
/// # Safety
/// A valid struct with its chain.
unsafe fn is_whole(i: &vk::BindImageMemoryInfo<'_>) -> bool {
    // SAFETY: by contract.
    unsafe {
        find::<vk::BindImagePlaneMemoryInfo>(i.p_next).is_none()
            && find::<vk::BindImageMemorySwapchainInfoKHR>(i.p_next).is_none()
    }
}

pub unsafe fn bind_image_memory2(device: vk::Device, n: u32, infos: *const vk::BindImageMemoryInfo) -> vk::Result {
    // SAFETY: the command's own parameters.
    let result = unsafe { forward::bind_image_memory2(device, n, infos) };
    if result == vk::Result::SUCCESS {
        // SAFETY: an array of this length, of valid structs with their chains.
        unsafe { slice(infos, n).iter().filter(|i| is_whole(i)).for_each(|i| image::bound(i.image, i.memory)) };
    }
    // SAFETY: an array of this length, of valid structs with their chains.
    unsafe { tell(slice(infos, n), |i| i.p_next, result) };
    result
}

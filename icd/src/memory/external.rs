//! File descriptors of memory, fences and semaphores: not offered yet (docs/STATUS.md), so these are only reached by
//! programs that call what they did not enable.

use std::ffi::c_int;

use ash::vk;

const NOT_OFFERED: vk::Result = vk::Result::ERROR_EXTENSION_NOT_PRESENT;

pub unsafe fn get_memory_fd_khr(_: vk::Device, _: *const vk::MemoryGetFdInfoKHR, _: *mut c_int) -> vk::Result {
    NOT_OFFERED
}

pub unsafe fn get_memory_fd_properties_khr(
    _: vk::Device,
    _: vk::ExternalMemoryHandleTypeFlags,
    _: c_int,
    _: *mut vk::MemoryFdPropertiesKHR,
) -> vk::Result {
    NOT_OFFERED
}

pub unsafe fn import_fence_fd_khr(_: vk::Device, _: *const vk::ImportFenceFdInfoKHR) -> vk::Result {
    NOT_OFFERED
}

pub unsafe fn get_fence_fd_khr(_: vk::Device, _: *const vk::FenceGetFdInfoKHR, _: *mut c_int) -> vk::Result {
    NOT_OFFERED
}

pub unsafe fn import_semaphore_fd_khr(_: vk::Device, _: *const vk::ImportSemaphoreFdInfoKHR) -> vk::Result {
    NOT_OFFERED
}

pub unsafe fn get_semaphore_fd_khr(_: vk::Device, _: *const vk::SemaphoreGetFdInfoKHR, _: *mut c_int) -> vk::Result {
    NOT_OFFERED
}

//! Mapped memory: its second form of mapping, and flushes.

use std::ffi::c_void;

use ash::vk;

use crate::memory::allocation::{map_memory, unmap_memory};

pub unsafe fn map_memory2(device: vk::Device, info: *const vk::MemoryMapInfoKHR, to: *mut *mut c_void) -> vk::Result {
    // SAFETY: a valid struct, and the parameters of vkMapMemory.
    unsafe { map_memory(device, (*info).memory, (*info).offset, (*info).size, vk::MemoryMapFlags::empty(), to) }
}

pub unsafe fn unmap_memory2(device: vk::Device, info: *const vk::MemoryUnmapInfoKHR) -> vk::Result {
    // SAFETY: a valid struct.
    unsafe { unmap_memory(device, (*info).memory) };
    vk::Result::SUCCESS
}

// All memory that can be mapped is coherent (see `physical_device`), so there is nothing to flush.

pub unsafe fn flush_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn invalidate_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}

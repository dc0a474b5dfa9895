//! Writes that the driver hasn't carried out yet, although the program was told that they are over.
//!
//! A higher floor defers them (`submission::upload`). Memory and buffers can't know of it, so they tell it what is about to happen to them.

use ash::vk;

/// Whoever defers writes to memory.
pub trait Pending: Send + Sync {
    /// The program is about to look at this memory, which counts as mapped already: what is pending there must be in place afterwards.
    ///
    /// # Safety
    /// A valid device and its memory.
    unsafe fn before_mapping(&self, device: vk::Device, memory: vk::DeviceMemory);

    /// The program frees this memory: nothing may write it afterwards.
    ///
    /// # Safety
    /// A valid device and its memory.
    unsafe fn before_freeing(&self, device: vk::Device, memory: vk::DeviceMemory);

    /// The program destroys a buffer: nothing that is pending may name it afterwards.
    ///
    /// # Safety
    /// A valid device and its buffer.
    unsafe fn before_destroying(&self, device: vk::Device, buffer: vk::Buffer);
}

//! What the work reads and writes: two buffers whose memory is mapped, and memory that nobody maps.

use ash::vk;

use super::journal::{Failed, Journal};
use super::objects::{Objects, made};

/// Words that a dispatch works on.
pub const WORDS: usize = 4096;

/// Buffers and memory, mapped.
pub struct Data {
    pub from: vk::Buffer,
    pub to: vk::Buffer,
    /// `WORDS` words each.
    pub from_map: *mut u32,
    pub to_map: *const u32,
}

/// Makes it.
pub fn make(
    objects: &mut Objects,
    memory: &vk::PhysicalDeviceMemoryProperties,
    journal: &mut Journal,
) -> Result<Data, Failed> {
    let (from, from_map) = mapped(objects, memory, journal)?;
    let (to, to_map) = mapped(objects, memory, journal)?;
    // Memory that nobody maps, and more of it than is kept for later.
    let own = memory
        .memory_types_as_slice()
        .iter()
        .position(|t| t.property_flags.contains(vk::MemoryPropertyFlags::DEVICE_LOCAL));
    for size in [8 << 20, 64 << 10] {
        objects.memory(journal, size, own.unwrap_or(0) as u32)?;
    }
    Ok(Data { from, to, from_map, to_map })
}

/// A buffer in memory of its own, which is mapped.
fn mapped(
    objects: &mut Objects,
    memory: &vk::PhysicalDeviceMemoryProperties,
    journal: &mut Journal,
) -> Result<(vk::Buffer, *mut u32), Failed> {
    let usage = vk::BufferUsageFlags::STORAGE_BUFFER | vk::BufferUsageFlags::TRANSFER_DST;
    let info = vk::BufferCreateInfo::default().size(WORDS as u64 * 4).usage(usage);
    let buffer = made!(objects, journal, "vkCreateBuffer", create_buffer(&info), "vkDestroyBuffer", destroy_buffer);
    // SAFETY: valid handles; the memory is as large as the buffer demands.
    unsafe {
        let needs =
            journal.plain("vkGetBufferMemoryRequirements", || objects.device.get_buffer_memory_requirements(buffer));
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let kind = memory
            .memory_types_as_slice()
            .iter()
            .enumerate()
            .position(|(i, t)| needs.memory_type_bits >> i & 1 == 1 && t.property_flags.contains(flags));
        // A query without a result can't report an error, so a lost device may say that nothing fits.
        let kind = kind.ok_or_else(|| journal.fail("no memory for a buffer", vk::Result::ERROR_UNKNOWN))?;
        let memory = objects.memory(journal, needs.size.max(WORDS as u64 * 4), kind as u32)?;
        journal.call("vkBindBufferMemory", || objects.device.bind_buffer_memory(buffer, memory, 0))?;
        let none = vk::MemoryMapFlags::empty();
        let map = journal.call("vkMapMemory", || objects.device.map_memory(memory, 0, vk::WHOLE_SIZE, none))?;
        Ok((buffer, map.cast()))
    }
}

//! Buffers in memory that the processor sees, too.

use anyhow::{Context, Result};
use ash::{Device, vk};

pub struct Buffer {
    pub buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    words: usize,
}

impl Buffer {
    /// A storage buffer of `words` 32-bit words that transfers may write, in the first of the memory `types` that is host-visible and coherent.
    pub fn new(device: &Device, types: &[vk::MemoryType], words: usize) -> Result<Self> {
        let usage = vk::BufferUsageFlags::TRANSFER_DST | vk::BufferUsageFlags::STORAGE_BUFFER;
        let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let info = vk::BufferCreateInfo::default().size(words as u64 * 4).usage(usage);
        // SAFETY: valid parameters of a valid device; the memory is as large as the buffer needs.
        unsafe {
            let buffer = device.create_buffer(&info, None).context("vkCreateBuffer")?;
            let needs = device.get_buffer_memory_requirements(buffer);
            let fits = |(i, t): &(usize, &vk::MemoryType)| {
                needs.memory_type_bits & 1 << i != 0 && t.property_flags.contains(wanted)
            };
            let (kind, _) = types.iter().enumerate().find(fits).context("no memory can be mapped")?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind as u32);
            let memory = device.allocate_memory(&info, None).context("vkAllocateMemory")?;
            device.bind_buffer_memory(buffer, memory, 0).context("vkBindBufferMemory")?;
            Ok(Self { buffer, memory, words })
        }
    }

    /// How many of its words aren't `word`.
    ///
    /// # Safety
    /// The device has ended its work on it.
    pub unsafe fn count_others(&self, device: &Device, word: u32) -> Result<usize> {
        // SAFETY: memory of this size, which isn't mapped; nobody writes to it, by contract.
        unsafe {
            let flags = vk::MemoryMapFlags::empty();
            let at = device.map_memory(self.memory, 0, self.words as u64 * 4, flags).context("vkMapMemory")?;
            let others = std::slice::from_raw_parts(at.cast::<u32>(), self.words).iter().filter(|w| **w != word);
            let count = others.count();
            device.unmap_memory(self.memory);
            Ok(count)
        }
    }

    /// # Safety
    /// The device has ended its work on it.
    pub unsafe fn free(self, device: &Device) {
        // SAFETY: nobody uses it any more, by contract.
        unsafe {
            device.destroy_buffer(self.buffer, None);
            device.free_memory(self.memory, None);
        }
    }
}

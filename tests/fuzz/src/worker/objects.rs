//! Memory, buffers and private data.

use ash::vk;

use super::poison;
use super::thread::{Ended, Thread};
use crate::command::Id;
use crate::step::{Private, Step};
use crate::wire::Seen;

impl Thread<'_> {
    pub fn memory_step(&mut self, step: &Step) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::Allocate { memory, size, visible } => {
                    let kind = self.shared.gpu.memory_type(*visible, u32::MAX);
                    let info = vk::MemoryAllocateInfo::default().allocation_size(*size).memory_type_index(kind);
                    let made = d.allocate_memory(&info, None);
                    h.memories.set(*memory, self.must("vkAllocateMemory", made)?);
                }
                Step::Free { memory } => {
                    d.free_memory(h.memories.take(*memory), None);
                    self.called(1);
                }
                Step::CreateBuffer { buffer, memory, at, size } => self.create_buffer(*buffer, *memory, *at, *size)?,
                Step::DestroyBuffer { buffer } => {
                    d.destroy_buffer(h.buffers.take(*buffer), None);
                    self.called(1);
                }
                Step::Map { memory, at, size } => {
                    let made = d.map_memory(h.memories.get(*memory), *at, *size, vk::MemoryMapFlags::empty());
                    let map = self.must("vkMapMemory", made)?;
                    h.maps.set_number(*memory, (map as u64).wrapping_sub(*at));
                }
                Step::Unmap { memory } => {
                    d.unmap_memory(h.memories.get(*memory));
                    h.maps.set_number(*memory, 0);
                    self.called(1);
                }
                Step::Write { memory, at, size, seed } => {
                    let bytes = poison::bytes(*seed, *size as usize);
                    let to = h.maps.number(*memory).wrapping_add(*at) as *mut u8;
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                }
                Step::Read { memory, at, size } => {
                    let from = h.maps.number(*memory).wrapping_add(*at) as *const u8;
                    let bytes = std::slice::from_raw_parts(from, *size as usize).to_vec();
                    self.see(Seen::Bytes(bytes));
                }
                Step::SetPrivate { of, value } => {
                    // By type, as the slot's functions are generic over handles.
                    let slot = self.shared.gpu.private;
                    let done = match of {
                        Private::Buffer(b) => d.set_private_data(h.buffers.get::<vk::Buffer>(*b), slot, *value),
                        Private::Memory(m) => d.set_private_data(h.memories.get::<vk::DeviceMemory>(*m), slot, *value),
                        Private::Fence(f) => d.set_private_data(h.fences.get::<vk::Fence>(*f), slot, *value),
                        Private::Pipeline(p) => d.set_private_data(h.pipelines.get::<vk::Pipeline>(*p), slot, *value),
                    };
                    self.must("vkSetPrivateData", done)?;
                }
                Step::GetPrivate { of } => {
                    let slot = self.shared.gpu.private;
                    let value = match of {
                        Private::Buffer(b) => d.get_private_data(h.buffers.get::<vk::Buffer>(*b), slot),
                        Private::Memory(m) => d.get_private_data(h.memories.get::<vk::DeviceMemory>(*m), slot),
                        Private::Fence(f) => d.get_private_data(h.fences.get::<vk::Fence>(*f), slot),
                        Private::Pipeline(p) => d.get_private_data(h.pipelines.get::<vk::Pipeline>(*p), slot),
                    };
                    self.called(1);
                    self.see(Seen::Value(value));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sharing among families, or garbage in place of them.
    pub fn sharing(&self) -> (vk::SharingMode, u32, *const u32) {
        let families = &self.shared.gpu.families;
        match families.len() {
            0 | 1 => (vk::SharingMode::EXCLUSIVE, poison::count(), self.edge.bad()),
            n => (vk::SharingMode::CONCURRENT, n as u32, families.as_ptr()),
        }
    }

    unsafe fn create_buffer(&mut self, buffer: Id, memory: Id, at: u64, size: u64) -> Result<(), Ended> {
        use vk::BufferUsageFlags as U;
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (sharing_mode, queue_family_index_count, p_queue_family_indices) = self.sharing();
        let captured = if self.shared.gpu.captures { U::TRANSFORM_FEEDBACK_BUFFER_EXT } else { U::empty() };
        let info = vk::BufferCreateInfo {
            size,
            usage: U::STORAGE_BUFFER | U::TRANSFER_SRC | U::TRANSFER_DST | captured,
            sharing_mode,
            queue_family_index_count,
            p_queue_family_indices,
            ..Default::default()
        };
        // SAFETY: by the plan; what the planner takes for granted is looked at.
        unsafe {
            let made = d.create_buffer(&info, None);
            let handle = self.must("vkCreateBuffer", made)?;
            h.buffers.set(buffer, handle);
            let needs = d.get_buffer_memory_requirements(handle);
            self.called(1);
            if needs.size > size || !256u64.is_multiple_of(needs.alignment) {
                self.see(Seen::Ended(format!("{needs:?} for a buffer of {size} bytes")));
                return Err(Ended);
            }
            let bound = d.bind_buffer_memory(handle, h.memories.get(memory), at);
            self.must("vkBindBufferMemory", bound)
        }
    }
}

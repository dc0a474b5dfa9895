//! A buffer of the driver's own, in memory that stays mapped.

use std::ptr;

use ash::vk;

use crate::base::object::Part;
use crate::memory::{allocation, bind, buffer, mapped};
use crate::physical::device::Device;

/// Bytes that the program knows nothing of, and that processor and GPU see alike. Whoever makes one gives it back before the device goes.
#[derive(Clone, Copy)]
pub struct OwnBlock {
    pub buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    /// Where it is mapped, as long as the memory lives.
    address: usize,
}

impl OwnBlock {
    /// One of `size` bytes; `None` where there is no memory for it. Mapping memory takes the lock over submissions.
    ///
    /// # Safety
    /// A valid device.
    pub unsafe fn new(device: vk::Device, size: vk::DeviceSize, usage: vk::BufferUsageFlags) -> Option<Self> {
        let none = ptr::null();
        let (mut buffer, mut memory) = (vk::Buffer::null(), vk::DeviceMemory::null());
        let info = vk::BufferCreateInfo::default().size(size).usage(usage);
        // SAFETY: a valid device, and pointers to locals.
        unsafe {
            if buffer::create_buffer(device, &info, none, &mut buffer) != vk::Result::SUCCESS {
                return None;
            }
            let mut needs = vk::MemoryRequirements::default();
            buffer::get_buffer_memory_requirements(device, buffer, &mut needs);
            let bound = memory_type(Device::of(device), needs.memory_type_bits).and_then(|kind| {
                let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
                let mut bytes = ptr::null_mut();
                let made = allocation::allocate_memory(device, &info, none, &mut memory) == vk::Result::SUCCESS
                    && bind::bind_buffer_memory(device, buffer, memory, 0) == vk::Result::SUCCESS
                    && mapped::map_memory(device, memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty(), &mut bytes)
                        == vk::Result::SUCCESS;
                made.then(|| Self { buffer, memory, address: bytes.expose_provenance() })
            });
            if bound.is_none() {
                destroy(device, buffer, memory);
            }
            bound
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.address)
    }

    /// Gives it back.
    ///
    /// # Safety
    /// The device that it was made for; neither the GPU nor any thread looks at it any more.
    pub unsafe fn destroy(self, device: vk::Device) {
        // SAFETY: by contract.
        unsafe { destroy(device, self.buffer, self.memory) };
    }
}

unsafe fn destroy(device: vk::Device, buffer: vk::Buffer, memory: vk::DeviceMemory) {
    // SAFETY: nobody uses them any more.
    unsafe {
        buffer::destroy_buffer(device, buffer, ptr::null());
        allocation::free_memory(device, memory, ptr::null());
    }
}

/// A memory type that the processor sees changes of, best in its caches.
fn memory_type(d: &Device, bits: u32) -> Option<u32> {
    let physical = d.physical();
    let mut visible = (0..32).filter(|i| bits & (1 << i) != 0 && physical.host_visible(*i) == Some(true));
    visible.clone().find(|i| physical.reads_fast(*i)).or_else(|| visible.next())
}

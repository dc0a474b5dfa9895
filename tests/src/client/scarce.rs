//! All of the room that a device has is there for the program, whatever a driver keeps of what was freed. For a host whose test layer has
//! room for a number of allocations.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

/// Allocations that a driver may make for itself.
const OWN: usize = 4;

pub fn run(room: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let room = room as usize;
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let kind = gpu.memory_type(!0, flags)?;
    // SAFETY: a valid type and sizes; each is freed once.
    let make = |size| unsafe {
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
        let memory = gpu.device.allocate_memory(&info, None)?;
        gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?;
        Ok::<_, vk::Result>(memory)
    };
    // SAFETY: as above.
    let free = |all: Vec<vk::DeviceMemory>| unsafe { all.into_iter().for_each(|m| gpu.device.free_memory(m, None)) };
    // What was freed in one size is no use for the next.
    for size in [4096, 8192, 12_288, 16_384] {
        let mut all = Vec::new();
        let end = loop {
            match make(size) {
                Ok(memory) => all.push(memory),
                Err(e) => break e,
            }
            ensure!(all.len() <= room, "more allocations than there is room for");
        };
        // The layer says TOO_MANY_OBJECTS, as drivers do, which vkAllocateMemory may not return.
        ensure!(end == vk::Result::ERROR_OUT_OF_DEVICE_MEMORY, "the end of {} allocations is {end:?}", all.len());
        ensure!(all.len() + OWN >= room, "only {} allocations of {size} bytes beside what is kept", all.len());
        // SAFETY: handles of this device.
        unsafe {
            let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::OCCLUSION).query_count(1);
            let refused = gpu.device.create_query_pool(&info, None);
            ensure!(refused == Err(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY), "a pool beside all of them: {refused:?}");
            free(all);
            gpu.device.destroy_query_pool(gpu.device.create_query_pool(&info, None)?, None);
        }
    }
    Ok(())
}

//! What every program does all the time: little work, some work, memory.

use anyhow::Result;
use ash::vk;

use super::measure::{Bench, row, time};
use crate::gpu::PATIENCE;

/// A software GPU takes about a millisecond to fill as much as often.
const JOB: usize = 8 << 20;
const FILLS: u32 = 12;
const MEMORY: u64 = 16 << 20;

impl Bench<'_> {
    /// Submissions that are waited for, without work and with a millisecond of it, and memory that is made, mapped and freed.
    pub fn essentials(&self) -> Result<()> {
        let (gpu, d) = (self.gpu, &self.gpu.device);
        let buffer = gpu.buffer(JOB / 4)?;
        let job = gpu.record(|cmd| {
            for i in 0..FILLS {
                // SAFETY: recording; inside the buffer.
                unsafe { d.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, i) };
                gpu.barrier(cmd);
            }
        })?;
        let (empty, jobs) = ([vk::SubmitInfo::default()], [job]);
        let full = [vk::SubmitInfo::default().command_buffers(&jobs)];
        // SAFETY: handles of this device, waited for before they are used again.
        unsafe {
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let waited_for = |submit: &[vk::SubmitInfo]| {
                d.queue_submit(gpu.queue, submit, fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                Ok(d.reset_fences(&[fence])?)
            };
            let ns = time(400, 1, || waited_for(&empty[..0]))?;
            row("empty submit, vkWaitForFences", ns / 1e3, "us");
            let ns = time(100, 1, || waited_for(&full))?;
            row("12 fills of 8 MiB, vkWaitForFences", ns / 1e3, "us");
            d.destroy_fence(fence, None);
        }
        let shown = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let info = vk::MemoryAllocateInfo::default()
            .allocation_size(MEMORY)
            .memory_type_index(gpu.memory_type(u32::MAX, shown)?);
        // SAFETY: the memory is written inside its mapping, and nothing uses it when it is freed.
        let ns = time(100, 1, || unsafe {
            let memory = d.allocate_memory(&info, None)?;
            let map = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?;
            map.cast::<u32>().write_volatile(1);
            d.free_memory(memory, None);
            Ok(())
        })?;
        row("memory of 16 MiB: made, mapped, freed", ns / 1e3, "us");
        Ok(())
    }
}

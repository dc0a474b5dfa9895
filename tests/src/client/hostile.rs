//! Sizes that no device has: a driver shall refuse them and go on. Other drivers give some of them, or stop here, so this is
//! for Hesper alone.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    for kind in 0..gpu.memory.memory_type_count {
        let heap = gpu.memory.memory_heaps[gpu.memory.memory_types[kind as usize].heap_index as usize];
        for size in [heap.size + 1, heap.size.saturating_mul(1 << 16), u64::MAX / 2, u64::MAX - 4096] {
            let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
            // SAFETY: a size above the heap's is for the driver to refuse.
            let given = unsafe { gpu.device.allocate_memory(&info, None) };
            let refused = [Err(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY), Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY)];
            ensure!(refused.contains(&given), "{size} bytes of type {kind}: {given:?}");
        }
    }
    let still = gpu.buffer(16)?;
    still.fill(|i| i);
    gpu.run(|cmd| {
        // SAFETY: recording; inside the buffer.
        unsafe { gpu.device.cmd_fill_buffer(cmd, still.buffer, 0, 16, 9) };
        gpu.barrier(cmd);
    })?;
    still.expect("after refusals", |i| if i < 4 { 9 } else { i })?;
    gpu.free(still);
    Ok(())
}

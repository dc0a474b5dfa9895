//! Sizes that no device has, and mappings that fail: a driver shall refuse them and go on. Other drivers give some of them, or stop here,
//! so this is for Hesper alone.

use anyhow::{Result, ensure};
use ash::vk;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::gpu::Gpu;
use crate::{placed, reports};

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
    mapping_fails_once(&gpu)?;
    placed::refused(&gpu)?;
    reports::refused(&gpu)?;
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

/// What can't be mapped for want of open files is mapped when there are some again.
fn mapping_fails_once(gpu: &Gpu) -> Result<()> {
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let info = vk::MemoryAllocateInfo::default().allocation_size(4096).memory_type_index(gpu.memory_type(!0, flags)?);
    let (usual, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Descriptors are given out from the lowest that is free: no more than those that are open now.
    let next = std::fs::File::open("/dev/null")?;
    let full = std::os::fd::AsRawFd::as_raw_fd(&next) as u64;
    drop(next);
    // SAFETY: a valid type and size; what is written lies inside of the mapping.
    unsafe {
        let memory = gpu.device.allocate_memory(&info, None)?;
        let map = || gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty());
        setrlimit(Resource::RLIMIT_NOFILE, full, most)?;
        let first = [map(), map()];
        setrlimit(Resource::RLIMIT_NOFILE, usual, most)?;
        ensure!(first == [Err(vk::Result::ERROR_MEMORY_MAP_FAILED); 2], "without room for a file: {first:?}");
        let words: *mut u32 = map()?.cast();
        words.write(0x5eed);
        gpu.device.unmap_memory(memory);
        let again: *const u32 = map()?.cast();
        ensure!(again.read() == 0x5eed, "the memory holds {:#x}", again.read());
        gpu.device.free_memory(memory, None);
    }
    Ok(())
}

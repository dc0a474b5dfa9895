//! More mappings at the same time than a process may have open files.

use anyhow::{Context, Result, ensure};
use ash::vk;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::gpu::Gpu;

/// The usual limit of a process.
const FILES: u64 = 1024;
const SIZE: u64 = 4096;

pub fn run(count: u32) -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, FILES.min(most), most)?;
    let gpu = Gpu::new()?;
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let info = vk::MemoryAllocateInfo::default().allocation_size(SIZE).memory_type_index(gpu.memory_type(!0, flags)?);
    let mut mapped = Vec::new();
    for i in 0..count {
        // SAFETY: a valid type and size; the whole of the memory is mapped once, and written inside.
        unsafe {
            let memory = gpu.device.allocate_memory(&info, None).with_context(|| format!("allocation {i}"))?;
            let map = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty());
            let words = map.with_context(|| format!("mapping {i}"))?.cast::<u32>();
            words.write(i);
            words.add(SIZE as usize / 4 - 1).write(!i);
            mapped.push((memory, words));
        }
    }
    let files = std::fs::read_dir("/proc/self/fd")?.count();
    for (i, (memory, words)) in (0..count).zip(mapped) {
        // SAFETY: mapped above, and freed after its last use.
        unsafe {
            let both = (words.read(), words.add(SIZE as usize / 4 - 1).read());
            ensure!(both == (i, !i), "mapping {i} holds {both:x?}");
            gpu.device.unmap_memory(memory);
            gpu.device.free_memory(memory, None);
        }
    }
    println!("{count} mappings, {files} open files");
    Ok(())
}

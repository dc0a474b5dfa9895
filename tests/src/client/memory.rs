//! Mapped memory of every host-visible type, in odd sizes and at odd offsets.

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let types = gpu.memory.memory_types_as_slice();
    let visible: Vec<u32> = (0..types.len() as u32)
        .filter(|i| types[*i as usize].property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE))
        .collect();
    ensure!(!visible.is_empty(), "no memory type is host-visible");
    for kind in visible {
        round_trip(&gpu, kind).with_context(|| format!("memory type {kind}"))?;
        mappings(&gpu, kind).with_context(|| format!("memory type {kind}"))?;
    }
    Ok(())
}

/// What the host writes, the GPU copies, and the host reads back, with flushes as for memory that isn't coherent.
fn round_trip(gpu: &Gpu, kind: u32) -> Result<()> {
    for words in [1, 1023, 4096, 4097, 100_003] {
        let choose = |bits: u32| {
            if bits >> kind & 1 == 1 { Ok(kind) } else { gpu.memory_type(bits, vk::MemoryPropertyFlags::HOST_VISIBLE) }
        };
        let (a, b) = (gpu.buffer_in(words, choose)?, gpu.buffer_in(words, choose)?);
        a.fill(|i| i.rotate_left(11) ^ words as u32);
        b.fill(|_| 0);
        let range = |memory| [vk::MappedMemoryRange::default().memory(memory).size(vk::WHOLE_SIZE)];
        // SAFETY: handles of this device, mapped as a whole.
        unsafe { gpu.device.flush_mapped_memory_ranges(&[range(a.memory), range(b.memory)].concat())? };
        gpu.run(|cmd| {
            // SAFETY: recording; inside both buffers.
            unsafe {
                gpu.device.cmd_copy_buffer(
                    cmd,
                    a.buffer,
                    b.buffer,
                    &[vk::BufferCopy { src_offset: 0, dst_offset: 0, size: a.size }],
                )
            };
            gpu.barrier(cmd);
        })?;
        // SAFETY: as above.
        unsafe { gpu.device.invalidate_mapped_memory_ranges(&range(b.memory))? };
        b.expect(&format!("{words} words"), |i| i.rotate_left(11) ^ words as u32)?;
        gpu.free(a);
        gpu.free(b);
    }
    Ok(())
}

/// Mapping again and at offsets shows the same bytes, at addresses that are aligned as the device says; allocations don't overlap.
fn mappings(gpu: &Gpu, kind: u32) -> Result<()> {
    let step = gpu.properties.limits.min_memory_map_alignment;
    let none = vk::MemoryMapFlags::empty();
    // SAFETY: handles of this device; reads and writes stay inside the mappings.
    unsafe {
        let make = |size| {
            gpu.device
                .allocate_memory(&vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind), None)
        };
        let all: Vec<(u64, vk::DeviceMemory)> =
            [1, 100, 4095, 4096, 12_345, 1 << 20].into_iter().map(|s| Ok((s, make(s)?))).collect::<Result<_>>()?;
        for (i, (size, memory)) in all.iter().enumerate() {
            let p: *mut u8 = gpu.device.map_memory(*memory, 0, *size, none)?.cast();
            ensure!(p.addr().is_multiple_of(step), "{size} bytes are mapped at {p:p}, no multiple of {step}");
            std::ptr::write_bytes(p, i as u8 + 1, *size as usize);
            gpu.device.unmap_memory(*memory);
        }
        for (i, (size, memory)) in all.iter().enumerate() {
            let offset = size / 3;
            let p: *const u8 = gpu.device.map_memory(*memory, offset, vk::WHOLE_SIZE, none)?.cast();
            let start = p.addr() - offset as usize;
            ensure!(start.is_multiple_of(step), "byte {offset} is mapped at {p:p}: its allocation starts off {step}");
            let bytes = std::slice::from_raw_parts(p, (size - offset) as usize);
            ensure!(
                bytes.iter().all(|b| *b == i as u8 + 1),
                "allocation {i} of {size} bytes doesn't hold what was written"
            );
            gpu.device.unmap_memory(*memory);
            gpu.device.free_memory(*memory, None);
        }
    }
    Ok(())
}

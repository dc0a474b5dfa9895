//! A thousand allocations of sizes that are no multiples of anything, of every host-visible type: mapped, written, copied by the GPU and read.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

const COUNT: u64 = 1000;
/// How many live at the same time.
const ALIVE: usize = 100;
/// The largest, but for the few large ones.
const LARGEST: u64 = 70_000;

struct Piece {
    number: u64,
    size: u64,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    map: *mut u8,
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let types = gpu.memory.memory_types_as_slice();
    let visible = (0u32..).zip(types).filter(|(_, t)| t.property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE));
    let visible: Vec<u32> = visible.map(|(i, _)| i).collect();
    let mut alive = VecDeque::new();
    for number in 0..COUNT {
        let kind = visible[number as usize % visible.len()];
        let piece =
            make(&gpu, number, kind).with_context(|| format!("allocation {number} of {} bytes", size(number)))?;
        alive.push_back(piece);
        if alive.len() > ALIVE {
            end(&gpu, alive.pop_front())?;
        }
        if number % 50 == 49 {
            copy(&gpu, &alive)?;
        }
    }
    alive.into_iter().try_for_each(|piece| end(&gpu, Some(piece)))
}

/// Odd, and spread over what is small; every hundredth is a megabyte larger.
fn size(number: u64) -> u64 {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (spread % LARGEST) | 1 | u64::from(number % 100 == 99) << 20
}

/// The bytes that are looked at: some of each page, and the last one.
fn places(size: u64) -> impl Iterator<Item = u64> {
    (0..size).step_by(61).chain(size.checked_sub(1))
}

/// What byte `i` of a piece is.
fn byte(number: u64, i: u64) -> u8 {
    (number * 31 + i * 7) as u8
}

/// A mapped piece of memory with a buffer in it; of two, one is the buffer's own.
fn make(gpu: &Gpu, number: u64, kind: u32) -> Result<Piece> {
    let size = size(number);
    let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
    // SAFETY: handles of this device; the buffer is bound to memory of its size, and the writes stay inside the mapping.
    unsafe {
        let buffer = gpu.device.create_buffer(&vk::BufferCreateInfo::default().size(size).usage(usage), None)?;
        let needs = gpu.device.get_buffer_memory_requirements(buffer);
        ensure!(needs.memory_type_bits >> kind & 1 == 1, "buffers can't be in memory type {kind}");
        let mut own = vk::MemoryDedicatedAllocateInfo::default().buffer(buffer);
        let mut info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        if number % 2 == 1 {
            info = info.push_next(&mut own);
        }
        let memory = gpu.device.allocate_memory(&info, None)?;
        gpu.device.bind_buffer_memory(buffer, memory, 0)?;
        let map: *mut u8 = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        places(size).for_each(|i| map.add(i as usize).write(byte(number, i)));
        Ok(Piece { number, size, buffer, memory, map })
    }
}

/// Has the GPU copy the front of the oldest piece to that of the newest, and looks at it.
fn copy(gpu: &Gpu, alive: &VecDeque<Piece>) -> Result<()> {
    let (Some(from), Some(to)) = (alive.front(), alive.back()) else { return Ok(()) };
    let size = from.size.min(to.size) / 2;
    gpu.run(|cmd| {
        let region = vk::BufferCopy { src_offset: 0, dst_offset: 0, size };
        // SAFETY: recording; inside both buffers.
        unsafe { gpu.device.cmd_copy_buffer(cmd, from.buffer, to.buffer, &[region]) };
        gpu.barrier(cmd);
    })?;
    for i in places(from.size).filter(|i| *i < size) {
        // SAFETY: inside the mapping, which no GPU work touches any more.
        let found = unsafe { to.map.add(i as usize).read() };
        ensure!(found == byte(from.number, i), "byte {i} of a copy is {found}");
    }
    // SAFETY: as above; what `end` expects.
    places(to.size).for_each(|i| unsafe { to.map.add(i as usize).write(byte(to.number, i)) });
    Ok(())
}

fn end(gpu: &Gpu, piece: Option<Piece>) -> Result<()> {
    let Some(p) = piece else { return Ok(()) };
    for i in places(p.size) {
        // SAFETY: inside the mapping, which no GPU work touches.
        let found = unsafe { p.map.add(i as usize).read() };
        ensure!(found == byte(p.number, i), "allocation {} of {} bytes: byte {i} is {found}", p.number, p.size);
    }
    // SAFETY: made here, and used by nothing any more.
    unsafe {
        gpu.device.destroy_buffer(p.buffer, None);
        gpu.device.free_memory(p.memory, None);
    }
    Ok(())
}

//! Parts of memory that are mapped, written and flushed by themselves, at odd offsets and of odd sizes, in both forms of mapping: the program and
//! the device see what was written, and nothing else has changed. Mappings from an offset to the end are in `memory`.

use anyhow::{Context, Result, ensure};
use ash::vk;

use super::outcome::Outcome;
use crate::gpu::Gpu;

/// Bytes of an allocation, a mapping's start and its length.
const CASES: [(u64, u64, u64); 8] = [
    (4087, 129, 255),
    (4087, 0, 1),
    (4087, 4086, 1),
    (1021, 127, 894),
    (257, 129, 127),
    (4096, 4095, 1),
    (20_011, 4095, 8194),
    (20_011, 12_289, 7),
];

/// How a mapping is made and ended: by vkMapMemory, or by vkMapMemory2 of VK_KHR_map_memory2.
#[derive(Clone, Copy, Debug)]
enum Form {
    First,
    Second,
}

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::with(vec![(ash::khr::map_memory2::NAME, None)])?;
    let second = gpu.has(ash::khr::map_memory2::NAME);
    let forms = if second { &[Form::First, Form::Second][..] } else { &[Form::First] };
    let types = gpu.memory.memory_types_as_slice();
    let mut tried = 0;
    for (kind, of) in (0u32..).zip(types) {
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        if !of.property_flags.contains(flags) {
            continue;
        }
        for (size, offset, length) in CASES {
            for form in forms {
                let at = || format!("type {kind}, bytes {offset} to {} of {size}, {form:?} form", offset + length);
                if let Some(memory) = Memory::new(&gpu, kind, size).with_context(at)? {
                    memory.check(offset, length, *form, 12 * times).with_context(at)?;
                    tried += 1;
                }
            }
        }
    }
    ensure!(tried > 0, "no buffer can be in memory that is coherent, which Vulkan demands");
    Ok(Outcome::Passed)
}

/// An allocation with a buffer over all of it, and what must be in it.
struct Memory<'a> {
    gpu: &'a Gpu,
    memory: vk::DeviceMemory,
    buffer: vk::Buffer,
    bytes: Vec<u8>,
}

impl<'a> Memory<'a> {
    /// None where buffers can't be in this type of memory.
    fn new(gpu: &'a Gpu, kind: u32, size: u64) -> Result<Option<Self>> {
        let usage = vk::BufferUsageFlags::TRANSFER_SRC;
        // SAFETY: handles of this device.
        unsafe {
            let buffer = gpu.device.create_buffer(&vk::BufferCreateInfo::default().size(size).usage(usage), None)?;
            let needs = gpu.device.get_buffer_memory_requirements(buffer);
            if needs.memory_type_bits >> kind & 1 == 0 {
                gpu.device.destroy_buffer(buffer, None);
                return Ok(None);
            }
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = gpu.device.allocate_memory(&info, None)?;
            gpu.device.bind_buffer_memory(buffer, memory, 0)?;
            Ok(Some(Self { gpu, memory, buffer, bytes: vec![0; size as usize] }))
        }
    }

    /// Maps and writes a part, `rounds` times, and looks at all of it.
    fn check(mut self, offset: u64, length: u64, form: Form, rounds: u32) -> Result<()> {
        let all = self.bytes.len() as u64;
        self.within(0, all, form, |map, bytes| {
            bytes.iter_mut().enumerate().for_each(|(i, b)| *b = (i * 7 + 1) as u8);
            // SAFETY: the mapping has as many bytes.
            unsafe { map.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            Ok(())
        })?;
        for round in 0..rounds {
            // Every other round writes a part of the part.
            let (from, count) = if round % 2 == 0 { (0, length) } else { (length / 3, length.div_ceil(3)) };
            self.within(offset, length, form, |map, bytes| {
                // SAFETY: the mapping has as many bytes, which nobody writes now.
                let seen = unsafe { std::slice::from_raw_parts(map, bytes.len()) };
                same(seen, bytes).with_context(|| format!("seen before round {round}"))?;
                for (i, byte) in bytes.iter_mut().enumerate().skip(from as usize).take(count as usize) {
                    *byte = byte.wrapping_mul(5).wrapping_add(round as u8 + 3);
                    // SAFETY: inside of the mapping.
                    unsafe { map.add(i).write_volatile(*byte) };
                }
                Ok(())
            })?;
        }
        self.within(0, all, form, |map, bytes| {
            // SAFETY: the mapping has as many bytes, which nobody writes now.
            let seen = unsafe { std::slice::from_raw_parts(map, bytes.len()) };
            same(seen, bytes).context("seen by the program")
        })?;
        self.seen_by_the_device()?;
        // SAFETY: everything has been waited for.
        unsafe {
            self.gpu.device.destroy_buffer(self.buffer, None);
            self.gpu.device.free_memory(self.memory, None);
        }
        Ok(())
    }

    /// Maps a part, has `work` look at it and at what must be in it, flushes what lies in it, and unmaps.
    fn within(
        &mut self,
        offset: u64,
        length: u64,
        form: Form,
        work: impl FnOnce(*mut u8, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let (d, memory) = (&self.gpu.device, self.memory);
        let second = ash::khr::map_memory2::Device::new(&self.gpu.instance, d);
        // SAFETY: memory that isn't mapped, and a range inside of it; flushed as nonCoherentAtomSize demands; nobody keeps the pointer.
        unsafe {
            let map = match form {
                Form::First => d.map_memory(memory, offset, length, vk::MemoryMapFlags::empty())?,
                Form::Second => {
                    let info = vk::MemoryMapInfoKHR::default().memory(memory).offset(offset).size(length);
                    let mut map = std::ptr::null_mut();
                    (second.fp().map_memory2_khr)(d.handle(), &info, &mut map).result()?;
                    map
                }
            };
            let parts = self.flushed(offset, length);
            if !parts.is_empty() {
                d.invalidate_mapped_memory_ranges(&parts)?;
            }
            work(map.cast(), &mut self.bytes[offset as usize..(offset + length) as usize])?;
            if !parts.is_empty() {
                d.flush_mapped_memory_ranges(&parts)?;
            }
            match form {
                Form::First => d.unmap_memory(memory),
                Form::Second => {
                    let info = vk::MemoryUnmapInfoKHR::default().memory(memory);
                    (second.fp().unmap_memory2_khr)(d.handle(), &info).result()?;
                }
            }
        }
        Ok(())
    }

    /// Ranges of whole atoms inside of a mapping (vkFlushMappedMemoryRanges). The memory is coherent, so that the edges need none.
    fn flushed(&self, offset: u64, length: u64) -> Vec<vk::MappedMemoryRange<'static>> {
        let atom = self.gpu.properties.limits.non_coherent_atom_size;
        let (first, end) = (offset.next_multiple_of(atom), (offset + length) / atom * atom);
        let range = |from, size| vk::MappedMemoryRange::default().memory(self.memory).offset(from).size(size);
        let step = atom.max(64);
        let whole = (first..end).step_by(step as usize).filter(|from| from + step <= end);
        whole.take(16).map(|from| range(from, step)).collect()
    }

    /// Has the device copy all of it to where the program can look.
    fn seen_by_the_device(&self) -> Result<()> {
        let down = self.gpu.buffer(self.bytes.len().div_ceil(4))?;
        down.fill(|_| 0);
        self.gpu.run(|cmd| {
            self.gpu.barrier(cmd);
            let all = vk::BufferCopy { size: self.bytes.len() as u64, ..Default::default() };
            // SAFETY: recording; inside of both buffers.
            unsafe { self.gpu.device.cmd_copy_buffer(cmd, self.buffer, down.buffer, &[all]) };
            self.gpu.barrier(cmd);
        })?;
        let words = (0..down.words()).flat_map(|i| down.get(i).to_le_bytes());
        let seen: Vec<u8> = words.take(self.bytes.len()).collect();
        same(&seen, &self.bytes).context("seen by the device")?;
        self.gpu.free(down);
        Ok(())
    }
}

fn same(seen: &[u8], wanted: &[u8]) -> Result<()> {
    let first = seen.iter().zip(wanted).position(|(s, w)| s != w);
    ensure!(first.is_none(), "byte {first:?} is {:?}, not {:?}", first.map(|i| seen[i]), first.map(|i| wanted[i]));
    Ok(())
}

//! Very many objects of several kinds that live at the same time, all used: the last ones must take no longer than the first ones.

use anyhow::{Result, bail, ensure};
use ash::vk;

use crate::endure::pace::Pace;
use crate::gpu::{Buffer, Gpu, PATIENCE};
use crate::pause::pause;
use crate::shaders::Pipeline;

/// Bytes between buffers in the one allocation that they share.
const APART: u64 = 256;
/// Allocations that any device has room for, with room to spare.
const MEASURED: usize = 3800;
/// Bytes of an allocation of its own.
const SMALL: u64 = 4096;
/// What pools have is freed in so many parts, every other time.
const PARTS: usize = 24;
/// Command buffers in one submission.
const BATCH: usize = 500;
const FACTOR: u32 = 5;

/// What is shared by all rounds.
struct Work<'a> {
    gpu: &'a Gpu,
    pace: Pace<'a>,
    from: Buffer,
    scale: Pipeline,
    kind: u32,
}

/// `count` objects, several times; a pause when all of them are there, and one when all are gone. Then a line for each kind and way of it:
/// nanoseconds an object, for the first ones and for the last ones.
pub fn run(count: u32, rounds: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let work = Work {
        gpu: &gpu,
        pace: Pace::new(&gpu)?,
        from: gpu.buffer(1)?,
        scale: gpu.scale(FACTOR, vk::DescriptorSetLayoutCreateFlags::empty(), vk::DescriptorType::STORAGE_BUFFER)?,
        kind: gpu.memory_type(!0, flags)?,
    };
    for round in 0..rounds {
        work.round(count as usize, round)?;
    }
    work.pace.report();
    work.pace.end();
    gpu.free(work.from);
    gpu.free_pipeline(work.scale);
    Ok(())
}

impl Work<'_> {
    /// Buffers with a set and a command buffer each, fences, events, timelines: a sixth of each, and allocations beside them.
    fn round(&self, count: usize, round: u32) -> Result<()> {
        let (d, n) = (&self.gpu.device, count.div_ceil(6));
        let memory = self.allocate(n as u64 * APART)?;
        let map = self.map(memory)?;
        let mut buffers = self.pace.each("buffers", "made", n, |i| self.buffer(memory, i as u64 * APART))?;
        let pool = self.pool(n as u32)?;
        let sets = self.pace.each("sets", "made", n, |i| {
            let to = Buffer { buffer: buffers[i], memory, size: 4, map: std::ptr::null_mut() };
            self.gpu.set(pool, self.scale.set_layout, &[&self.from, &to])
        })?;
        self.from.fill(|_| round);
        // SAFETY: valid devices, and handles of this round from here on; each is destroyed once, after its last use.
        unsafe {
            let commands = self.pace.each("command buffers", "made", n, |i| {
                self.gpu.record(|cmd| self.gpu.cmd_scale(cmd, &self.scale, sets[i], 1, i as u32))
            })?;
            let mut fences =
                self.pace.each("fences", "made", n, |_| Ok(d.create_fence(&vk::FenceCreateInfo::default(), None)?))?;
            let mut events =
                self.pace.each("events", "made", n, |_| Ok(d.create_event(&vk::EventCreateInfo::default(), None)?))?;
            let mut timelines = self.pace.each("timelines", "made", n, |_| {
                let mut kind =
                    vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE).initial_value(7);
                Ok(d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?)
            })?;
            for batch in commands.chunks(BATCH) {
                self.gpu.submit(batch)?;
            }
            self.pace.each("fences", "submitted", n, |i| Ok(d.queue_submit(self.gpu.queue, &[], fences[i])?))?;
            self.pace.each("fences", "waited for", n, |i| {
                d.wait_for_fences(&[fences[i]], true, PATIENCE)?;
                ensure!(d.get_fence_status(fences[i])?, "fence {i} isn't signalled");
                Ok(())
            })?;
            self.pace.each("events", "asked for", n, |i| {
                d.set_event(events[i])?;
                ensure!(d.get_event_status(events[i])?, "event {i} isn't set");
                Ok(())
            })?;
            self.pace.each("timelines", "asked for", n, |i| {
                d.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(timelines[i]).value(8))?;
                ensure!(d.get_semaphore_counter_value(timelines[i])? == 8, "timeline {i} isn't at 8");
                Ok(())
            })?;
            for i in 0..n {
                let (found, wanted) = (map.add(i * APART as usize / 4).read_volatile(), round * FACTOR + i as u32);
                ensure!(found == wanted, "buffer {i} holds {found}, not {wanted}");
            }
            let mut memories = self.allocations(n)?;
            pause("full")?;
            // Forwards and backwards in turns.
            if !round.is_multiple_of(2) {
                buffers.reverse();
                fences.reverse();
                events.reverse();
                timelines.reverse();
                memories.reverse();
            }
            self.pace.gone("allocations", memories.len(), |i| d.free_memory(memories[i], None))?;
            self.pace.gone("timelines", n, |i| d.destroy_semaphore(timelines[i], None))?;
            self.pace.gone("events", n, |i| d.destroy_event(events[i], None))?;
            self.pace.gone("fences", n, |i| d.destroy_fence(fences[i], None))?;
            // One by one, or some at a time.
            if round.is_multiple_of(2) {
                self.pace.gone("command buffers", n, |i| d.free_command_buffers(self.gpu.pool, &commands[i..=i]))?;
                self.pace.each("sets", "destroyed", n, |i| Ok(d.free_descriptor_sets(pool, &sets[i..=i])?))?;
            } else {
                let part = n.div_ceil(PARTS);
                let (commands, sets): (Vec<_>, Vec<_>) = (commands.chunks(part).collect(), sets.chunks(part).collect());
                let free = |i: usize| d.free_command_buffers(self.gpu.pool, commands[i]);
                self.pace.gone("parts of all command buffers", commands.len(), free)?;
                let free = |i: usize| Ok(d.free_descriptor_sets(pool, sets[i])?);
                self.pace.each("parts of all sets", "destroyed", sets.len(), free)?;
            }
            d.destroy_descriptor_pool(pool, None);
            self.pace.gone("buffers", n, |i| d.destroy_buffer(buffers[i], None))?;
            d.free_memory(memory, None);
        }
        pause("empty")
    }

    /// A pool whose sets are freed one by one.
    fn pool(&self, sets: u32) -> ash::prelude::VkResult<vk::DescriptorPool> {
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: sets * 2 }];
        let info = vk::DescriptorPoolCreateInfo::default()
            .flags(vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET)
            .max_sets(sets)
            .pool_sizes(&sizes);
        // SAFETY: a valid device.
        unsafe { self.gpu.device.create_descriptor_pool(&info, None) }
    }

    fn allocate(&self, size: u64) -> ash::prelude::VkResult<vk::DeviceMemory> {
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(self.kind);
        // SAFETY: a valid type and size.
        unsafe { self.gpu.device.allocate_memory(&info, None) }
    }

    fn map(&self, memory: vk::DeviceMemory) -> ash::prelude::VkResult<*mut u32> {
        // SAFETY: memory that can be mapped, and isn't.
        unsafe { Ok(self.gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast()) }
    }

    fn buffer(&self, memory: vk::DeviceMemory, at: u64) -> Result<vk::Buffer> {
        let info = vk::BufferCreateInfo::default().size(4).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
        // SAFETY: handles of this device; the memory is larger, and its places are apart as any device demands.
        unsafe {
            let buffer = self.gpu.device.create_buffer(&info, None)?;
            self.gpu.device.bind_buffer_memory(buffer, memory, at)?;
            Ok(buffer)
        }
    }

    /// As many allocations, or as the device has room for, all mapped at the same time, and written.
    fn allocations(&self, most: usize) -> Result<Vec<vk::DeviceMemory>> {
        let make = |i: usize| {
            let memory = self.allocate(SMALL)?;
            let map = self.map(memory)?;
            // SAFETY: mapped just now.
            unsafe { map.write_volatile(!(i as u32)) };
            Ok::<_, vk::Result>((memory, map))
        };
        let mut made = self.pace.each("allocations", "made", most.min(MEASURED), |i| Ok(make(i)?))?;
        while made.len() < most {
            match make(made.len()) {
                Ok(next) => made.push(next),
                // The first is what drivers say, the second what vkAllocateMemory may return.
                Err(vk::Result::ERROR_TOO_MANY_OBJECTS | vk::Result::ERROR_OUT_OF_DEVICE_MEMORY) => break,
                Err(e) => bail!("allocation {}: {e}", made.len()),
            }
        }
        println!("allocations {}", made.len());
        for (i, (_, map)) in made.iter().enumerate() {
            // SAFETY: as above.
            let found = unsafe { map.read_volatile() };
            ensure!(found == !(i as u32), "allocation {i} holds {found:x}");
        }
        Ok(made.into_iter().map(|(memory, _)| memory).collect())
    }
}

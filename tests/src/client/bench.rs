//! What calls cost. One line of JSON a row: name, value, unit; less is better but for units a second.

#![expect(clippy::undocumented_unsafe_blocks, reason = "recording, with handles of the bench's own device")]

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ash::vk;
use serde_json::json;

use crate::gpu::{Buffer, Gpu, PATIENCE, Pipeline};

pub fn run() -> Result<()> {
    start()?;
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    bench.recording()?;
    bench.descriptors()?;
    bench.waiting()?;
    bench.uploads()?;
    bench.chains()?;
    bench.objects()?;
    bench.queries()?;
    bench.patience()?;
    bench.bandwidth()
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{}", json!({ "name": name, "value": value, "unit": unit }));
}

/// The middle of the times that `f` takes, in nanoseconds for each of its `n` parts.
fn time(rounds: u32, n: u32, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        f()?;
        times.push(start.elapsed().as_nanos() as f64 / f64::from(n));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// From nothing to the end of the first dispatch.
fn start() -> Result<()> {
    let start = Instant::now();
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    gpu.run(|cmd| gpu.cmd_scale(cmd, &bench.pipeline, bench.set, 64, 0))?;
    row("instance to first dispatch done", start.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}

struct Bench<'a> {
    gpu: &'a Gpu,
    a: Buffer,
    b: Buffer,
    pipeline: Pipeline,
    set: vk::DescriptorSet,
    /// One small dispatch.
    small: vk::CommandBuffer,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let (a, b) = (gpu.buffer(1024)?, gpu.buffer(1024)?);
        let pipeline = gpu.scale(2, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
        let pool = gpu.descriptor_pool(1, kind)?;
        let set = gpu.set(pool, pipeline.set_layout, &[&a, &b])?;
        let small = gpu.record(|cmd| gpu.cmd_scale(cmd, &pipeline, set, 64, 0))?;
        Ok(Self { gpu, a, b, pipeline, set, small })
    }

    /// Waits until the host has run all that it was told, with work that no driver can do without it.
    fn drain(&self) -> Result<()> {
        self.gpu.submit(&[self.small])
    }

    /// Nanoseconds of one recorded command, from the first to the last of many; the recording's begin and end aside.
    fn recording(&self) -> Result<()> {
        const N: u32 = 20_000;
        let (d, point) = (&self.gpu.device, vk::PipelineBindPoint::COMPUTE);
        let (layout, set, pipeline) = (self.pipeline.layout, [self.set], self.pipeline.pipeline);
        let push = [7u8; 8];
        let copy = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size: 256 }];
        let memory = [vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::SHADER_WRITE)
            .dst_access_mask(vk::AccessFlags::SHADER_READ)];
        let stage = vk::PipelineStageFlags::COMPUTE_SHADER;
        type Command<'c> = &'c dyn Fn(vk::CommandBuffer);
        let dispatch: Command = &|c| unsafe { d.cmd_dispatch(c, 1, 1, 1) };
        let constants: Command =
            &|c| unsafe { d.cmd_push_constants(c, layout, vk::ShaderStageFlags::COMPUTE, 0, &push) };
        let sets: Command = &|c| unsafe { d.cmd_bind_descriptor_sets(c, point, layout, 0, &set, &[]) };
        let barrier: Command =
            &|c| unsafe { d.cmd_pipeline_barrier(c, stage, stage, vk::DependencyFlags::empty(), &memory, &[], &[]) };
        let copies: Command = &|c| unsafe { d.cmd_copy_buffer(c, self.a.buffer, self.b.buffer, &copy) };
        for (name, command) in [
            ("vkCmdDispatch", dispatch),
            ("vkCmdPushConstants", constants),
            ("vkCmdBindDescriptorSets", sets),
            ("vkCmdPipelineBarrier", barrier),
            ("vkCmdCopyBuffer", copies),
        ] {
            let mut times = Vec::new();
            for _ in 0..7 {
                let buffer = self.gpu.record(|cmd| {
                    // SAFETY: as above.
                    unsafe {
                        d.cmd_bind_pipeline(cmd, point, pipeline);
                        d.cmd_bind_descriptor_sets(cmd, point, layout, 0, &set, &[]);
                    }
                    let start = Instant::now();
                    for _ in 0..N {
                        command(cmd);
                    }
                    times.push(start.elapsed().as_nanos() as f64 / f64::from(N));
                })?;
                // SAFETY: never submitted.
                unsafe { d.free_command_buffers(self.gpu.pool, &[buffer]) };
                // So that the next round starts with everything read.
                self.drain()?;
            }
            times.sort_by(f64::total_cmp);
            row(name, times[times.len() / 2], "ns");
        }
        Ok(())
    }

    fn descriptors(&self) -> Result<()> {
        const N: u32 = 2000;
        let d = &self.gpu.device;
        let infos =
            [&self.a, &self.b].map(|b| [vk::DescriptorBufferInfo::default().buffer(b.buffer).range(vk::WHOLE_SIZE)]);
        let write = |i: usize| {
            let write = vk::WriteDescriptorSet::default().dst_set(self.set).dst_binding(i as u32);
            write.descriptor_type(vk::DescriptorType::STORAGE_BUFFER).buffer_info(&infos[i])
        };
        let writes = [write(0), write(1)];
        let ns = time(9, N, || {
            for _ in 0..N {
                // SAFETY: handles of this device; nothing uses the set.
                unsafe { d.update_descriptor_sets(&writes, &[]) };
            }
            self.drain()
        })?;
        row("vkUpdateDescriptorSets, 2 writes", ns, "ns");
        Ok(())
    }

    /// One submission at a time, seen to end in three ways.
    fn waiting(&self) -> Result<()> {
        let (d, queue) = (&self.gpu.device, self.gpu.queue);
        // SAFETY: handles of this device, waited for before they are used again.
        unsafe {
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let ns = time(400, 1, || {
                d.queue_submit(queue, &[], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                Ok(d.reset_fences(&[fence])?)
            })?;
            row("empty submit, vkWaitForFences", ns / 1e3, "us");
            let buffers = [self.small];
            let submit = [vk::SubmitInfo::default().command_buffers(&buffers)];
            // Many: it takes the system's scheduler a while to settle on who runs where.
            let ns = time(4000, 1, || {
                d.queue_submit(queue, &submit, fence)?;
                while !d.get_fence_status(fence)? {
                    std::hint::spin_loop();
                }
                Ok(d.reset_fences(&[fence])?)
            })?;
            row("small submit, spin on vkGetFenceStatus", ns / 1e3, "us");
            let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
            let semaphore = [d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?];
            let mut value = 0;
            let ns = time(400, 1, || {
                value += 1;
                let values = [value];
                let mut signal = vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
                let submit = [vk::SubmitInfo::default().signal_semaphores(&semaphore).push_next(&mut signal)];
                d.queue_submit(queue, &submit, vk::Fence::null())?;
                Ok(d.wait_semaphores(
                    &vk::SemaphoreWaitInfo::default().semaphores(&semaphore).values(&values),
                    PATIENCE,
                )?)
            })?;
            row("timeline signal, vkWaitSemaphores", ns / 1e3, "us");
            d.destroy_semaphore(semaphore[0], None);
            d.destroy_fence(fence, None);
        }
        Ok(())
    }

    /// As programs fill memory that they can't map: copied out of mapped memory, waited for, and then used.
    fn uploads(&self) -> Result<()> {
        let (gpu, d) = (self.gpu, &self.gpu.device);
        let far = gpu.buffer_in(1024, |bits| gpu.memory_type(bits, vk::MemoryPropertyFlags::DEVICE_LOCAL))?;
        let region = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size: far.size }];
        // SAFETY: handles of this device, waited for before they are used again; nobody uses the mapping.
        unsafe {
            if !far.map.is_null() {
                d.unmap_memory(far.memory);
            }
            let info = vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family);
            let pool = d.create_command_pool(&info, None)?;
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
            let copy = d.allocate_command_buffers(&info)?;
            let once = vk::CommandBufferBeginInfo::default().flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
            let submit = [vk::SubmitInfo::default().command_buffers(&copy)];
            let used = [self.small];
            let ns = time(100, 1, || {
                for i in 0..5 {
                    self.a.map.write_volatile(i);
                    d.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())?;
                    d.begin_command_buffer(copy[0], &once)?;
                    d.cmd_copy_buffer(copy[0], self.a.buffer, far.buffer, &region);
                    d.end_command_buffer(copy[0])?;
                    d.queue_submit(gpu.queue, &submit, fence)?;
                    d.wait_for_fences(&[fence], true, PATIENCE)?;
                    d.reset_fences(&[fence])?;
                }
                d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&used)], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                Ok(d.reset_fences(&[fence])?)
            })?;
            row("5 uploads of 4 KiB and a dispatch, each waited for", ns / 1e3, "us");
            d.destroy_fence(fence, None);
            d.destroy_command_pool(pool, None);
        }
        gpu.free(far);
        Ok(())
    }

    /// Many submissions before a wait, the second time each after the one before.
    fn chains(&self) -> Result<()> {
        const N: u32 = 200;
        let (d, queue) = (&self.gpu.device, self.gpu.queue);
        let buffer = self.gpu.record(|cmd| {
            self.gpu.cmd_scale(cmd, &self.pipeline, self.set, 64, 0);
            self.gpu.barrier(cmd);
        })?;
        let buffers = [buffer];
        // SAFETY: handles of this device; executions of one command buffer follow each other on one queue.
        unsafe {
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let simultaneous = [vk::SubmitInfo::default().command_buffers(&buffers)];
            let done = || -> Result<()> {
                d.queue_submit(queue, &[], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                Ok(d.reset_fences(&[fence])?)
            };
            let ns = time(9, N, || {
                for _ in 0..N {
                    d.queue_submit(queue, &[], vk::Fence::null())?;
                }
                done()
            })?;
            row("many empty submits, each", ns / 1e3, "us");
            let ns = time(9, N, || {
                for _ in 0..N {
                    d.queue_submit(queue, &simultaneous, fence)?;
                    d.wait_for_fences(&[fence], true, PATIENCE)?;
                    d.reset_fences(&[fence])?;
                }
                Ok(())
            })?;
            row("chain of small submits, each waited for", ns / 1e3, "us");
            d.destroy_fence(fence, None);
            d.free_command_buffers(self.gpu.pool, &[buffer]);
        }
        Ok(())
    }

    /// Creation and destruction, whichever of the two the cost falls on.
    fn objects(&self) -> Result<()> {
        const N: u32 = 200;
        let d = &self.gpu.device;
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let kind = self.gpu.memory_type(u32::MAX, flags)?;
        // SAFETY: handles of this device, destroyed after their last use.
        unsafe {
            let usage = vk::BufferUsageFlags::STORAGE_BUFFER;
            let info = vk::BufferCreateInfo::default().size(4096).usage(usage);
            let many = |f: &dyn Fn() -> Result<()>| time(9, N, || (0..N).try_for_each(|_| f()));
            let ns = many(&|| {
                let buffer = d.create_buffer(&info, None)?;
                let _ = black_box(d.get_buffer_memory_requirements(buffer));
                d.destroy_buffer(buffer, None);
                Ok(())
            })?;
            row("vkCreateBuffer and its requirements", ns / 1e3, "us");
            let image = vk::ImageCreateInfo::default()
                .image_type(vk::ImageType::TYPE_2D)
                .format(vk::Format::R8G8B8A8_UNORM)
                .extent(vk::Extent3D { width: 64, height: 64, depth: 1 })
                .mip_levels(1)
                .array_layers(1)
                .samples(vk::SampleCountFlags::TYPE_1)
                .usage(vk::ImageUsageFlags::SAMPLED);
            let ns = many(&|| {
                let image = d.create_image(&image, None)?;
                let _ = black_box(d.get_image_memory_requirements(image));
                d.destroy_image(image, None);
                Ok(())
            })?;
            row("vkCreateImage and its requirements", ns / 1e3, "us");
            let memory = vk::MemoryAllocateInfo::default().allocation_size(65536).memory_type_index(kind);
            let ns = many(&|| {
                d.free_memory(d.allocate_memory(&memory, None)?, None);
                Ok(())
            })?;
            row("vkAllocateMemory, 64 KiB", ns / 1e3, "us");
            let ns = many(&|| {
                let memory = d.allocate_memory(&memory, None)?;
                let p: *mut u8 = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
                p.write_volatile(1);
                d.free_memory(memory, None);
                Ok(())
            })?;
            row("vkAllocateMemory and first vkMapMemory", ns / 1e3, "us");
            let held = d.allocate_memory(&memory, None)?;
            let ns = many(&|| {
                black_box(d.map_memory(held, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?);
                d.unmap_memory(held);
                Ok(())
            })?;
            row("vkMapMemory again", ns, "ns");
            d.free_memory(held, None);
            let ns = many(&|| {
                let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
                d.destroy_fence(fence, None);
                Ok(())
            })?;
            row("vkCreateFence", ns, "ns");
        }
        let mut factor = 1000;
        let ns = time(20, 1, || {
            factor += 1;
            let kind = vk::DescriptorType::STORAGE_BUFFER;
            let pipeline = self.gpu.scale(factor, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
            self.gpu.free_pipeline(pipeline);
            Ok(())
        })?;
        row("vkCreateComputePipelines", ns / 1e3, "us");
        Ok(())
    }

    /// Questions whose answers don't change.
    fn queries(&self) -> Result<()> {
        const N: u32 = 1000;
        let (i, d, p) = (&self.gpu.instance, &self.gpu.device, self.gpu.physical);
        // SAFETY: handles of this instance and device.
        unsafe {
            let ask = |name: &str, f: &dyn Fn()| -> Result<()> {
                let ns = time(9, N, || {
                    (0..N).for_each(|_| f());
                    Ok(())
                })?;
                row(name, ns, "ns");
                Ok(())
            };
            // The structs are made once: filling them with zeros would cost more than the calls.
            let mut more = vk::PhysicalDeviceVulkan11Properties::default();
            let to = RefCell::new(vk::PhysicalDeviceProperties2::default().push_next(&mut more));
            ask("vkGetPhysicalDeviceProperties2", &|| i.get_physical_device_properties2(p, &mut to.borrow_mut()))?;
            let mut more = vk::PhysicalDeviceVulkan12Features::default();
            let to = RefCell::new(vk::PhysicalDeviceFeatures2::default().push_next(&mut more));
            ask("vkGetPhysicalDeviceFeatures2", &|| i.get_physical_device_features2(p, &mut to.borrow_mut()))?;
            ask("vkGetPhysicalDeviceFormatProperties2", &|| {
                let mut to = vk::FormatProperties2::default();
                i.get_physical_device_format_properties2(p, vk::Format::R8G8B8A8_UNORM, &mut to);
            })?;
            ask("vkGetBufferMemoryRequirements", &|| {
                let _ = black_box(d.get_buffer_memory_requirements(self.a.buffer));
            })?;
            let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(1);
            let pool = d.create_query_pool(&info, None)?;
            self.gpu.run(|cmd| {
                d.cmd_reset_query_pool(cmd, pool, 0, 1);
                d.cmd_write_timestamp(cmd, vk::PipelineStageFlags::ALL_COMMANDS, pool, 0);
            })?;
            ask("vkGetQueryPoolResults again", &|| {
                let mut to = [0u64];
                let _ = black_box(d.get_query_pool_results(pool, 0, &mut to, vk::QueryResultFlags::TYPE_64));
            })?;
            let stages = vk::PipelineStageFlags::ALL_COMMANDS;
            let stamp = self.gpu.record(|cmd| {
                d.cmd_reset_query_pool(cmd, pool, 0, 1);
                d.cmd_write_timestamp(cmd, stages, pool, 0);
            })?;
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let ns = time(200, 1, || {
                d.queue_submit(self.gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[stamp])], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                d.reset_fences(&[fence])?;
                Ok(d.get_query_pool_results(pool, 0, &mut [0u64], vk::QueryResultFlags::TYPE_64)?)
            })?;
            row("timestamp submitted, waited for, read", ns / 1e3, "us");
            d.free_command_buffers(self.gpu.pool, &[stamp]);
            d.destroy_fence(fence, None);
            d.destroy_query_pool(pool, None);
        }
        Ok(())
    }

    /// Processor time of a wait of one second, and of doing nothing for one.
    fn patience(&self) -> Result<()> {
        let (d, queue) = (&self.gpu.device, self.gpu.queue);
        // SAFETY: handles of this device.
        unsafe {
            let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
            let semaphore = [d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?];
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let (values, stage) = ([1], [vk::PipelineStageFlags::ALL_COMMANDS]);
            let mut wait = vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&values);
            let submit = [vk::SubmitInfo::default()
                .wait_semaphores(&semaphore)
                .wait_dst_stage_mask(&stage)
                .push_next(&mut wait)];
            d.queue_submit(queue, &submit, fence)?;
            let before = processor_time()?;
            std::thread::scope(|s| {
                s.spawn(|| {
                    std::thread::sleep(Duration::from_secs(1));
                    d.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(semaphore[0]).value(1))
                });
                d.wait_for_fences(&[fence], true, PATIENCE)
            })?;
            row("processor time of a wait of 1 s", (processor_time()? - before) / 1e6, "ms");
            d.destroy_semaphore(semaphore[0], None);
            d.destroy_fence(fence, None);
            d.device_wait_idle()?;
        }
        std::thread::sleep(Duration::from_millis(100));
        let before = processor_time()?;
        std::thread::sleep(Duration::from_secs(1));
        // Looking takes some hundredths of a millisecond itself.
        row("processor time of 1 s of nothing", ((processor_time()? - before) / 1e6).round(), "ms");
        Ok(())
    }

    /// Plain copies into mapped memory.
    fn bandwidth(&self) -> Result<()> {
        let to = self.gpu.buffer(16 << 20)?;
        let from = vec![0x5au8; to.size as usize];
        let ns = time(7, 1, || {
            // SAFETY: as long as the mapping, and apart from it.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.map.cast(), from.len()) };
            black_box(to.get(1));
            Ok(())
        })?;
        row("copy into mapped memory", to.size as f64 / ns, "GB/s");
        self.gpu.free(to);
        Ok(())
    }
}

/// Nanoseconds that the process's threads have run.
fn processor_time() -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    }
    (sum > 0.0).then_some(sum).context("no /proc/self/task/*/schedstat here")
}

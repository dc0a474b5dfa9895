//! Copies out of mapped memory that are submitted and waited for one by one, as programs do that write to memory which they can't
//! map. All that such a submission promises is checked where a driver that puts the copy off could break it.

mod larger;
mod pool;
mod uploader;

use anyhow::{Result, ensure};
use ash::vk;
use uploader::{N, Uploader};

use crate::gpu::{Buffer, Gpu, PATIENCE};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let up = Uploader::new(&gpu)?;
    for second_form in [false, true] {
        pieces(&up, second_form)?;
    }
    overlaps(&up)?;
    large_and_odd(&up)?;
    unfinished_source(&up)?;
    mapped_target(&up)?;
    gone_buffers(&up)?;
    fences(&up)?;
    unsubmitted(&up)?;
    larger::run(&gpu)?;
    pool::run(&up)
}

/// Small pieces next to each other, the staging memory used again after each.
fn pieces(up: &Uploader, second_form: bool) -> Result<()> {
    let (gpu, d) = (up.gpu, &up.gpu.device);
    up.clear()?;
    for i in 0..50u32 {
        let value = |w: u32| i * 1000 + w;
        if !second_form {
            up.put(&up.far, i as usize * 64, 64, value)?;
            continue;
        }
        up.stage(value);
        let region = [vk::BufferCopy2::default().dst_offset(u64::from(i) * 256).size(256)];
        let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
        let buffer = gpu.record_in(up.pool, once, |cmd| {
            let order = [vk::MemoryBarrier2::default()
                .src_stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
                .dst_stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
                .src_access_mask(vk::AccessFlags2::MEMORY_WRITE)
                .dst_access_mask(vk::AccessFlags2::MEMORY_READ)];
            let copy = vk::CopyBufferInfo2::default();
            // SAFETY: recording; inside of both buffers.
            unsafe {
                d.cmd_pipeline_barrier2(cmd, &vk::DependencyInfo::default().memory_barriers(&order));
                let copy = copy.src_buffer(up.staging.buffer).dst_buffer(up.far.buffer).regions(&region);
                d.cmd_copy_buffer2(cmd, &copy);
            }
        })?;
        let buffers = [vk::CommandBufferSubmitInfo::default().command_buffer(buffer)];
        // SAFETY: handles of this device.
        unsafe { d.queue_submit2(gpu.queue, &[vk::SubmitInfo2::default().command_buffer_infos(&buffers)], up.fence)? };
        up.wait()?;
    }
    up.expect("pieces", |i| if i < 50 * 64 { i / 64 * 1000 + i % 64 } else { 0 })?;
    up.reset()
}

/// Later pieces cover earlier ones.
fn overlaps(up: &Uploader) -> Result<()> {
    up.clear()?;
    for i in 0..40u32 {
        up.put(&up.far, i as usize * 16, 64, |w| (i << 16) + w)?;
    }
    up.expect("overlapping pieces", |w| match w / 16 {
        i @ 0..40 => (i << 16) + w % 16,
        i @ 40..43 => (39 << 16) + (i - 39) * 16 + w % 16,
        _ => 0,
    })?;
    up.reset()
}

/// What doesn't fit into a command is copied all the same, and in its order with what does.
fn large_and_odd(up: &Uploader) -> Result<()> {
    let d = &up.gpu.device;
    up.clear()?;
    up.put(&up.far, 0, 8, |w| w + 1)?;
    up.put(&up.far, 4, N - 4, |w| w ^ 0x1234_0000)?;
    up.put(&up.far, 6, 2, |w| w + 70)?;
    up.stage(|_| 0x0403_0201);
    let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
    let bytes = up.gpu.record_in(up.pool, once, |cmd| {
        let region = vk::BufferCopy { src_offset: 1, dst_offset: 41, size: 2 };
        // SAFETY: recording; inside of both buffers.
        unsafe { d.cmd_copy_buffer(cmd, up.staging.buffer, up.far.buffer, &[region]) };
    })?;
    up.submit(bytes)?;
    up.wait()?;
    up.expect("large and odd pieces", |w| match w {
        0..4 => w + 1,
        6 | 7 => w - 6 + 70,
        10 => (0x1234_0006 & 0xff00_00ff) | 0x0003_0200,
        _ => (w - 4) ^ 0x1234_0000,
    })?;
    up.reset()
}

/// The GPU writes the source first: nobody may read it before.
fn unfinished_source(up: &Uploader) -> Result<()> {
    let (gpu, d) = (up.gpu, &up.gpu.device);
    up.clear()?;
    for round in 1..20u32 {
        up.stage(|_| 0xdead_beef);
        let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
        let fill = gpu.record_in(up.pool, once, |cmd| {
            // SAFETY: recording; inside of the buffer.
            unsafe { d.cmd_fill_buffer(cmd, up.staging.buffer, 0, vk::WHOLE_SIZE, round) };
            gpu.barrier(cmd);
        })?;
        // SAFETY: handles of this device.
        unsafe { d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[fill])], vk::Fence::null())? };
        up.submit(up.record(0, &up.far, 0, N)?)?;
        up.wait()?;
        up.expect("what the GPU wrote", |_| round)?;
        up.reset()?;
    }
    Ok(())
}

/// Memory that is mapped afterwards, and memory that is mapped all the time.
fn mapped_target(up: &Uploader) -> Result<()> {
    let (gpu, d) = (up.gpu, &up.gpu.device);
    let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let mut target = gpu.buffer_in(N, |bits| gpu.memory_type(bits, visible))?;
    for mapped in [false, true] {
        target.fill(|_| 0);
        if !mapped {
            // SAFETY: mapped by `buffer_in`.
            unsafe { d.unmap_memory(target.memory) };
        }
        up.put(&target, 10, 100, |w| w + 5)?;
        if !mapped {
            // SAFETY: not mapped now.
            let map = unsafe { d.map_memory(target.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())? };
            target.map = map.cast();
        }
        let when = if mapped { "mapped all the time" } else { "mapped afterwards" };
        target.expect(when, |w| if (10..110).contains(&w) { w - 5 } else { 0 })?;
    }
    gpu.free(target);
    up.reset()
}

/// Buffers that are destroyed right after the wait, and others in the same memory.
fn gone_buffers(up: &Uploader) -> Result<()> {
    let (gpu, d) = (up.gpu, &up.gpu.device);
    let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
    let info = vk::BufferCreateInfo::default().size(4096).usage(usage);
    let flags = vk::MemoryPropertyFlags::DEVICE_LOCAL;
    for round in 0..10u32 {
        // SAFETY: handles of this device; what is destroyed has been waited for.
        unsafe {
            let (first, second) = (d.create_buffer(&info, None)?, d.create_buffer(&info, None)?);
            let needs = d.get_buffer_memory_requirements(first);
            let kind = gpu.memory_type(needs.memory_type_bits, flags)?;
            let memory = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = d.allocate_memory(&memory, None)?;
            d.bind_buffer_memory(first, memory, 0)?;
            d.bind_buffer_memory2(&[vk::BindBufferMemoryInfo::default().buffer(second).memory(memory)])?;
            let target = Buffer { buffer: first, memory, size: 4096, map: std::ptr::null_mut() };
            up.put(&target, 0, 1024, |w| w + round)?;
            d.destroy_buffer(first, None);
            // Work that has nothing to do with it is on its way when the next ones go.
            let other = gpu.record(|cmd| d.cmd_fill_buffer(cmd, up.far.buffer, 0, 4, round))?;
            let region = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size: 4096 }];
            up.down.fill(|_| 0);
            gpu.run(|cmd| {
                d.cmd_copy_buffer(cmd, second, up.down.buffer, &region);
                gpu.barrier(cmd);
            })?;
            up.down.expect("another buffer in the memory", |w| if w < 1024 { w + round } else { 0 })?;
            let target = Buffer { buffer: second, ..target };
            up.put(&target, 0, 1024, |w| w)?;
            d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[other])], vk::Fence::null())?;
            d.destroy_buffer(second, None);
            d.free_memory(memory, None);
            d.queue_wait_idle(gpu.queue)?;
            d.free_command_buffers(gpu.pool, &[other]);
            up.reset()?;
        }
    }
    Ok(())
}

/// The fence of an upload among others, asked in every way, and used again.
fn fences(up: &Uploader) -> Result<()> {
    let (gpu, d) = (up.gpu, &up.gpu.device);
    up.clear()?;
    // SAFETY: handles of this device, waited for.
    unsafe {
        let work = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let never = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let buffer = gpu.record(|cmd| d.cmd_fill_buffer(cmd, up.down.buffer, 0, 4, 1))?;
        for round in 0..20u32 {
            up.stage(|w| w + round);
            up.submit(up.record(0, &up.far, 0, 16)?)?;
            d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[buffer])], work)?;
            let both = [up.fence, work];
            match round % 4 {
                0 => d.wait_for_fences(&both, true, PATIENCE)?,
                1 => d.wait_for_fences(&[never, up.fence, work], false, PATIENCE)?,
                2 => while !d.get_fence_status(up.fence)? {},
                _ => {
                    let all = [never, up.fence, work];
                    ensure!(d.wait_for_fences(&all, true, 1_000_000) == Err(vk::Result::TIMEOUT), "one never comes");
                }
            }
            d.wait_for_fences(&both, true, PATIENCE)?;
            ensure!(d.get_fence_status(up.fence)? && !d.get_fence_status(never)?, "round {round}");
            d.reset_fences(&both)?;
            ensure!(!d.get_fence_status(up.fence)?, "a reset fence is signalled");
            up.expect("with another fence", |w| if w < 16 { w + round } else { 0 })?;
        }
        d.free_command_buffers(gpu.pool, &[buffer]);
        d.destroy_fence(work, None);
        d.destroy_fence(never, None);
    }
    up.reset()
}

/// Recorded, and then reset, recorded again or given back instead of submitted.
fn unsubmitted(up: &Uploader) -> Result<()> {
    let d = &up.gpu.device;
    up.clear()?;
    up.stage(|w| w + 1);
    up.record(0, &up.far, 0, 16)?;
    up.reset()?;
    let given_back = up.record(0, &up.far, 16, 16)?;
    // SAFETY: handles of this device; never submitted.
    unsafe { d.free_command_buffers(up.pool, &[given_back]) };
    up.put(&up.far, 32, 16, |w| w + 2)?;
    // With something else after the copies, and with two batches.
    up.stage(|w| w + 3);
    let more = up.gpu.record_in(up.pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
        let region = vk::BufferCopy { src_offset: 0, dst_offset: 256, size: 64 };
        // SAFETY: recording; inside of both buffers.
        unsafe {
            d.cmd_copy_buffer(cmd, up.staging.buffer, up.far.buffer, &[region]);
            up.gpu.barrier(cmd);
            d.cmd_fill_buffer(cmd, up.far.buffer, 256, 4, 77);
        }
    })?;
    let (a, b) = ([up.record(0, &up.far, 80, 16)?, more], [up.record(4, &up.far, 96, 16)?]);
    // SAFETY: handles of this device.
    unsafe {
        let batches = [vk::SubmitInfo::default().command_buffers(&a), vk::SubmitInfo::default().command_buffers(&b)];
        d.queue_submit(up.gpu.queue, &batches, up.fence)?;
    }
    up.wait()?;
    up.expect("what was submitted", |w| match w {
        64 => 77,
        32..48 => w - 32 + 2,
        65..80 => w - 64 + 3,
        80..96 => w - 80 + 3,
        96..112 => w - 96 + 4 + 3,
        _ => 0,
    })?;
    up.reset()
}

/// Work on another queue of the family that owns the buffers sees what was uploaded, also while this queue waits for the program.
pub fn other_queues(gpu: &Gpu) -> Result<()> {
    let (up, d) = (&Uploader::new(gpu)?, &gpu.device);
    let others: Vec<_> = gpu.others.iter().filter(|(_, family)| *family == gpu.family).collect();
    ensure!(!others.is_empty(), "the family has one queue");
    // SAFETY: handles of this device, waited for.
    unsafe {
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        let semaphore = d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?;
        let seen = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let mut value = 0;
        for (queue, family) in others {
            let info = vk::CommandPoolCreateInfo::default().queue_family_index(*family);
            let pool = d.create_command_pool(&info, None)?;
            let look = gpu.record_in(pool, vk::CommandBufferUsageFlags::empty(), |cmd| up.cmd_look(cmd))?;
            let looks = [look];
            let nothing = gpu.record(|_| {})?;
            let plain = [vk::SubmitInfo::default().command_buffers(&looks)];
            for round in 0..12u32 {
                up.clear()?;
                up.put(&up.far, 0, 64, |w| w + round)?;
                let others = [nothing];
                match round % 3 {
                    // Nothing in between.
                    0 => {}
                    // Work that has nothing to do with it.
                    1 => d.queue_submit(
                        gpu.queue,
                        &[vk::SubmitInfo::default().command_buffers(&others)],
                        vk::Fence::null(),
                    )?,
                    // Work that waits for the program.
                    _ => {
                        value += 1;
                        let (values, semaphores) = ([value], [semaphore]);
                        let mut wait = vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&values);
                        let batch = vk::SubmitInfo::default().command_buffers(&others).wait_semaphores(&semaphores);
                        let batch = batch.wait_dst_stage_mask(&[vk::PipelineStageFlags::ALL_COMMANDS]);
                        d.queue_submit(gpu.queue, &[batch.push_next(&mut wait)], vk::Fence::null())?;
                    }
                }
                up.down.fill(|_| 0x0bad_0bad);
                d.queue_submit(*queue, &plain, seen)?;
                d.wait_for_fences(&[seen], true, PATIENCE)?;
                d.reset_fences(&[seen])?;
                if round % 3 == 2 {
                    d.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(semaphore).value(value))?;
                }
                up.down.expect("seen by another queue", |w| if w < 64 { w + round } else { 0 })?;
                d.device_wait_idle()?;
                up.reset()?;
            }
            d.destroy_command_pool(pool, None);
            d.free_command_buffers(gpu.pool, &[nothing]);
        }
        d.destroy_fence(seen, None);
        d.destroy_semaphore(semaphore, None);
    }
    Ok(())
}

//! What a driver that puts uploads off (`uploads`) must still get right: every way for a program to notice them.

use std::sync::Barrier;
use std::time::Duration;

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu, PATIENCE};

const N: usize = 256;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    refused_in_its_second_region(&gpu)?;
    source_that_was_mapped_once(&gpu)?;
    work_that_waits_for_the_program(&gpu)?;
    mapped_meanwhile(&gpu)?;
    other_families(&gpu)
}

/// A copy of `words` words.
fn words(from: usize, to: usize, words: usize) -> vk::BufferCopy {
    vk::BufferCopy { src_offset: from as u64 * 4, dst_offset: to as u64 * 4, size: words as u64 * 4 }
}

/// Submits copies between buffers once, and waits for them.
fn copy(gpu: &Gpu, pool: vk::CommandPool, copies: &[(&Buffer, &Buffer, &[vk::BufferCopy])]) -> Result<()> {
    let buffer = gpu.record_in(pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
        for (from, to, regions) in copies {
            // SAFETY: recording; inside of both buffers.
            unsafe { gpu.device.cmd_copy_buffer(cmd, from.buffer, to.buffer, regions) };
            gpu.barrier(cmd);
        }
    })?;
    gpu.submit(&[buffer])
}

/// A pool of transient command buffers, emptied and destroyed by its user.
fn transient(gpu: &Gpu) -> Result<vk::CommandPool> {
    let info = vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family);
    // SAFETY: a valid device.
    Ok(unsafe { gpu.device.create_command_pool(&info, None)? })
}

/// A buffer whose memory was mapped and filled with `value`, and isn't mapped any more.
fn mapped_once(gpu: &Gpu, value: u32) -> Result<Buffer> {
    let mut buffer = gpu.buffer(N)?;
    buffer.fill(|_| value);
    // SAFETY: mapped by `buffer`; nobody keeps the pointer.
    unsafe { gpu.device.unmap_memory(buffer.memory) };
    buffer.map = std::ptr::null_mut();
    Ok(buffer)
}

/// Maps such a buffer again.
fn map(gpu: &Gpu, buffer: &mut Buffer) -> Result<()> {
    // SAFETY: memory that isn't mapped.
    let map = unsafe { gpu.device.map_memory(buffer.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())? };
    buffer.map = map.cast();
    Ok(())
}

/// The first region replaces what waits already, the second can't be put off: neither may be lost, nor what waited.
fn refused_in_its_second_region(gpu: &Gpu) -> Result<()> {
    let (pool, from, to, down) = (transient(gpu)?, gpu.buffer(N)?, mapped_once(gpu, 0)?, gpu.buffer(N)?);
    // What waits: pieces of four words and a longer one.
    let waiting = [words(0, 0, 4), words(4, 4, 4), words(12, 12, 4), words(16, 16, 16)];
    // The first region covers several, one, part of one, and parts of several.
    let firsts = [words(40, 0, 16), words(40, 4, 4), words(40, 18, 4), words(40, 6, 20)];
    for (round, first) in firsts.iter().cycle().take(12).enumerate() {
        let value = |i: u32| (round as u32) << 16 | (i + 1);
        from.fill(|_| 0);
        copy(gpu, pool, &[(&from, &to, &[words(0, 0, 64)])])?;
        gpu.run(|cmd| gpu.barrier(cmd))?;
        from.fill(value);
        copy(gpu, pool, &[(&from, &to, &waiting)])?;
        let odd = vk::BufferCopy { src_offset: 128, dst_offset: 130, size: 2 };
        copy(gpu, pool, &[(&from, &to, &[*first, odd])])?;
        down.fill(|_| 0);
        copy(gpu, pool, &[(&to, &down, &[words(0, 0, 64)])])?;
        let (at, many) = (first.dst_offset as u32 / 4, first.size as u32 / 4);
        down.expect("a copy that is refused in its second region", |i| match i {
            _ if (at..at + many).contains(&i) => value(i - at + 40),
            0..8 | 12..32 => value(i),
            // The upper half of a word, by two bytes of another.
            32 => (value(32) & 0xffff) << 16,
            _ => 0,
        })?;
    }
    // SAFETY: everything has been waited for.
    unsafe { gpu.device.destroy_command_pool(pool, None) };
    [from, to, down].into_iter().for_each(|b| gpu.free(b));
    Ok(())
}

/// What is copied on from memory that isn't mapped any more, while what was copied into it may still be put off.
fn source_that_was_mapped_once(gpu: &Gpu) -> Result<()> {
    let (pool, a, mut c) = (transient(gpu)?, gpu.buffer(N)?, mapped_once(gpu, 0)?);
    let b = mapped_once(gpu, 0x0bad_0bad)?;
    for (round, at_once) in [false, true, false, true].into_iter().enumerate() {
        let value = |i: u32| (round as u32) << 16 | i;
        a.fill(value);
        let all = [words(0, 0, N)];
        if at_once {
            copy(gpu, pool, &[(&a, &b, &all), (&b, &c, &all)])?;
        } else {
            copy(gpu, pool, &[(&a, &b, &all)])?;
            copy(gpu, pool, &[(&b, &c, &all)])?;
        }
        map(gpu, &mut c)?;
        c.expect("a copy of a copy", value)?;
        // SAFETY: mapped just now.
        unsafe { gpu.device.unmap_memory(c.memory) };
    }
    // SAFETY: everything has been waited for.
    unsafe { gpu.device.destroy_command_pool(pool, None) };
    [a, b, c].into_iter().for_each(|b| gpu.free(b));
    Ok(())
}

/// Ends the program if a call doesn't return: it waits for what the program would do afterwards.
fn watchdog() -> std::sync::mpsc::Sender<()> {
    let (alive, ends) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if ends.recv_timeout(Duration::from_secs(30)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("FAILED a call waits for an event that the program would set after it");
            std::process::exit(1);
        }
    });
    alive
}

/// Work that waits for an event is submitted behind an upload; the program looks at its upload before it sets the event.
fn work_that_waits_for_the_program(gpu: &Gpu) -> Result<()> {
    let (pool, d, from) = (transient(gpu)?, &gpu.device, gpu.buffer(N)?);
    let alive = watchdog();
    // SAFETY: handles of this device; what is destroyed has been waited for.
    unsafe {
        let event = d.create_event(&vk::EventCreateInfo::default(), None)?;
        let waited = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        for round in 0..8u32 {
            let (mut to, second) = (mapped_once(gpu, 0)?, round % 2 == 1);
            from.fill(|i| i + round);
            copy(gpu, pool, &[(&from, &to, &[words(0, 0, N)])])?;
            let work = gpu.record_in(pool, vk::CommandBufferUsageFlags::empty(), |cmd| {
                if second {
                    let order = vk::MemoryBarrier2::default()
                        .src_stage_mask(vk::PipelineStageFlags2::HOST)
                        .dst_stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS);
                    let orders = [order];
                    d.cmd_wait_events2(cmd, &[event], &[vk::DependencyInfo::default().memory_barriers(&orders)]);
                } else {
                    let stages = (vk::PipelineStageFlags::HOST, vk::PipelineStageFlags::ALL_COMMANDS);
                    d.cmd_wait_events(cmd, &[event], stages.0, stages.1, &[], &[], &[]);
                }
            })?;
            d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[work])], waited)?;
            if round < 4 {
                map(gpu, &mut to)?;
                to.expect("mapped while work waits for an event", |i| i + round)?;
            }
            gpu.free(to);
            ensure!(!d.get_fence_status(waited)?, "work that waits for an event is over before the event is set");
            d.set_event(event)?;
            d.wait_for_fences(&[waited], true, PATIENCE)?;
            d.reset_fences(&[waited])?;
            d.reset_event(event)?;
            d.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())?;
        }
        d.destroy_fence(waited, None);
        d.destroy_event(event, None);
        d.destroy_command_pool(pool, None);
    }
    gpu.free(from);
    let _ = alive.send(());
    Ok(())
}

/// A buffer in memory of its own that could be mapped and never was.
fn never_mapped(gpu: &Gpu) -> Result<Buffer> {
    let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
    shared(gpu, &vk::BufferCreateInfo::default().size(N as u64 * 4).usage(usage))
}

/// The same, shared between queue families as `info` says.
fn shared(gpu: &Gpu, info: &vk::BufferCreateInfo) -> Result<Buffer> {
    let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    // SAFETY: handles of this device.
    unsafe {
        let buffer = gpu.device.create_buffer(info, None)?;
        let needs = gpu.device.get_buffer_memory_requirements(buffer);
        let mut dedicated = vk::MemoryDedicatedAllocateInfo::default().buffer(buffer);
        let kind = gpu.memory_type(needs.memory_type_bits, visible)?;
        let allocation = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = gpu.device.allocate_memory(&allocation.push_next(&mut dedicated), None)?;
        gpu.device.bind_buffer_memory(buffer, memory, 0)?;
        Ok(Buffer { buffer, memory, size: info.size, map: std::ptr::null_mut() })
    }
}

/// One thread maps memory for the first time, which takes long, while another uploads to it.
fn mapped_meanwhile(gpu: &Gpu) -> Result<()> {
    let (pool, from) = (transient(gpu)?, gpu.buffer(N)?);
    for round in 0..200u32 {
        let mut to = never_mapped(gpu)?;
        from.fill(|i| round << 16 | i);
        let buffer = gpu.record_in(pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
            // SAFETY: recording; inside of both buffers.
            unsafe { gpu.device.cmd_copy_buffer(cmd, from.buffer, to.buffer, &[words(0, 0, N)]) };
            gpu.barrier(cmd);
        })?;
        let (start, memory) = (Barrier::new(2), to.memory);
        let map = std::thread::scope(|s| {
            let mapper = s.spawn(|| {
                start.wait();
                // SAFETY: memory that isn't mapped.
                let map = unsafe { gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) };
                map.map(|p| p as usize)
            });
            start.wait();
            // Now early, now late in the other thread's call.
            (0..round % 32 * 200).for_each(|_| std::hint::spin_loop());
            let uploaded = gpu.submit(&[buffer]);
            let map = mapper.join().map_err(|_| anyhow::anyhow!("the thread that maps panicked"))??;
            uploaded.map(|()| map)
        })?;
        to.map = map as *mut u32;
        to.expect("mapped while it was uploaded to", |i| round << 16 | i)?;
        gpu.free(to);
        // SAFETY: its command buffers have been waited for.
        unsafe { gpu.device.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())? };
    }
    // SAFETY: everything has been waited for.
    unsafe { gpu.device.destroy_command_pool(pool, None) };
    gpu.free(from);
    Ok(())
}

/// Queues of other families look at what was uploaded on the first one. Where there is one family, there is nothing to see.
fn other_families(gpu: &Gpu) -> Result<()> {
    let (pool, d, from) = (transient(gpu)?, &gpu.device, gpu.buffer(N)?);
    for (queue, family) in gpu.others.iter().filter(|(_, family)| *family != gpu.family) {
        let families = [gpu.family, *family];
        let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
        let info = vk::BufferCreateInfo::default().size(N as u64 * 4).usage(usage);
        let info = info.sharing_mode(vk::SharingMode::CONCURRENT).queue_family_indices(&families);
        // SAFETY: handles of this device; what is destroyed has been waited for.
        unsafe {
            let [to, down] = [0, 1].map(|_| shared(gpu, &info));
            let (to, mut down) = (to?, down?);
            let theirs = vk::CommandPoolCreateInfo::default().queue_family_index(*family);
            let theirs = d.create_command_pool(&theirs, None)?;
            let look = gpu.record_in(theirs, vk::CommandBufferUsageFlags::empty(), |cmd| {
                d.cmd_copy_buffer(cmd, to.buffer, down.buffer, &[words(0, 0, N)]);
                gpu.barrier(cmd);
            })?;
            let seen = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            for round in 0..32u32 {
                from.fill(|i| round << 16 | i);
                copy(gpu, pool, &[(&from, &to, &[words(0, 0, N)])])?;
                d.queue_submit(*queue, &[vk::SubmitInfo::default().command_buffers(&[look])], seen)?;
                d.wait_for_fences(&[seen], true, PATIENCE)?;
                d.reset_fences(&[seen])?;
            }
            map(gpu, &mut down)?;
            down.expect("seen by another family", |i| 31 << 16 | i)?;
            d.destroy_fence(seen, None);
            d.destroy_command_pool(theirs, None);
            [to, down].into_iter().for_each(|b| gpu.free(b));
        }
    }
    // SAFETY: everything has been waited for.
    unsafe { d.destroy_command_pool(pool, None) };
    gpu.free(from);
    Ok(())
}

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
    fences_that_two_threads_wait_for(&gpu)
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
    for round in 0..8u32 {
        let value = |i: u32| (round << 16) + i + 1;
        from.fill(value);
        copy(gpu, pool, &[(&from, &to, &[words(0, 0, 16), words(16, 16, 16)])])?;
        copy(gpu, pool, &[(&from, &to, &[words(8, 8, 4)])])?;
        from.fill(|i| value(i) + 1000);
        let odd = vk::BufferCopy { src_offset: 128, dst_offset: 130, size: 2 };
        let first = [words(0, 0, 16), words(20, 4, 8), words(16, 16, 4)][round as usize % 3];
        copy(gpu, pool, &[(&from, &to, &[first, odd])])?;
        down.fill(|_| 0);
        copy(gpu, pool, &[(&to, &down, &[words(0, 0, 64)])])?;
        let (at, source) = (first.dst_offset as u32 / 4, first.src_offset as u32 / 4);
        let many = first.size as u32 / 4;
        down.expect("a copy that is refused in its second region", |i| match i {
            _ if (at..at + many).contains(&i) => value(i - at + source) + 1000,
            0..32 => value(i),
            // The upper half of a word, by two bytes of another.
            32 => ((value(32) + 1000) & 0xffff) << 16,
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

/// One thread maps the memory at the very time when another uploads to it.
fn mapped_meanwhile(gpu: &Gpu) -> Result<()> {
    let (pool, from, to) = (transient(gpu)?, gpu.buffer(N)?, mapped_once(gpu, 0)?);
    let (start, end, memory) = (Barrier::new(2), Barrier::new(2), to.memory);
    const ROUNDS: u32 = 1500;
    std::thread::scope(|s| {
        let mapper = s.spawn(|| -> Result<()> {
            let mut wrong = Ok(());
            for round in 0..ROUNDS {
                start.wait();
                // Now here, now there of the other thread's call.
                (0..round % 64 * 8).for_each(|_| std::hint::spin_loop());
                // SAFETY: memory that isn't mapped; nobody writes it after the second barrier.
                let found = unsafe {
                    let map = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty());
                    end.wait();
                    map.map(|p| [0, N - 1].map(|i| p.cast::<u32>().add(i).read_volatile()))
                };
                // SAFETY: mapped by this thread.
                unsafe { gpu.device.unmap_memory(memory) };
                if wrong.is_ok() && found != Ok([round; 2]) {
                    wrong = Err(anyhow::anyhow!("mapped while it was uploaded to: {found:x?} in round {round}"));
                }
            }
            wrong
        });
        let mut done = Ok(());
        for round in 0..ROUNDS {
            from.fill(|_| round);
            let buffer = gpu.record_in(pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
                // SAFETY: recording; inside of both buffers.
                unsafe { gpu.device.cmd_copy_buffer(cmd, from.buffer, to.buffer, &[words(0, 0, N)]) };
                gpu.barrier(cmd);
            });
            start.wait();
            let copied = buffer.and_then(|b| gpu.submit(&[b]));
            end.wait();
            done = done.and(copied);
            // SAFETY: its command buffers have been waited for.
            unsafe { gpu.device.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())? };
        }
        done.and(mapper.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that maps panicked"))))
    })?;
    // SAFETY: everything has been waited for.
    unsafe { gpu.device.destroy_command_pool(pool, None) };
    [from, to].into_iter().for_each(|b| gpu.free(b));
    Ok(())
}

/// The last of several fences may be seen by another thread between two looks.
fn fences_that_two_threads_wait_for(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    // SAFETY: handles of this device, waited for.
    unsafe {
        let fences = [
            d.create_fence(&vk::FenceCreateInfo::default(), None)?,
            d.create_fence(&vk::FenceCreateInfo::default(), None)?,
        ];
        let target = gpu.buffer(N)?;
        let work = gpu.record(|cmd| d.cmd_fill_buffer(cmd, target.buffer, 0, vk::WHOLE_SIZE, 1))?;
        for _ in 0..300 {
            for f in fences {
                d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[work])], f)?;
                d.queue_wait_idle(gpu.queue)?;
            }
            std::thread::scope(|s| {
                let waits = [0, 1, 2].map(|_| s.spawn(|| d.wait_for_fences(&fences, true, PATIENCE)));
                waits.into_iter().try_for_each(|w| w.join().unwrap_or(Err(vk::Result::ERROR_UNKNOWN)))
            })?;
            d.reset_fences(&fences)?;
        }
        d.free_command_buffers(gpu.pool, &[work]);
        fences.into_iter().for_each(|f| d.destroy_fence(f, None));
        gpu.free(target);
    }
    Ok(())
}

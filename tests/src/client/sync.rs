//! Fences and semaphores, with many submissions in flight; clocks.

use std::time::Instant;

use anyhow::{Result, ensure};
use ash::vk;

use crate::clocks;
use crate::gpu::{Gpu, PATIENCE};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    fences(&gpu)?;
    timeline(&gpu)?;
    binary(&gpu)?;
    second_submit(&gpu)?;
    clocks::check(&gpu)
}

fn fences(gpu: &Gpu) -> Result<()> {
    let count = 32u32;
    let words = gpu.buffer(count as usize)?;
    words.fill(|_| 0);
    // SAFETY: handles of this device.
    unsafe {
        let signaled =
            gpu.device.create_fence(&vk::FenceCreateInfo::default().flags(vk::FenceCreateFlags::SIGNALED), None)?;
        ensure!(gpu.device.get_fence_status(signaled)?, "a fence created signalled isn't");
        gpu.device.wait_for_fences(&[signaled], true, 0)?;
        gpu.device.reset_fences(&[signaled])?;
        ensure!(!gpu.device.get_fence_status(signaled)?, "a reset fence is signalled");
        let start = Instant::now();
        let wait = gpu.device.wait_for_fences(&[signaled], true, 20_000_000);
        ensure!(wait == Err(vk::Result::TIMEOUT), "a wait for a fence that nobody signals: {wait:?}");
        ensure!(start.elapsed().as_millis() >= 20, "the wait of 20 ms took {:?}", start.elapsed());
        ensure!(gpu.device.wait_for_fences(&[signaled], true, 0) == Err(vk::Result::TIMEOUT), "timeout 0");

        let make = |_| gpu.device.create_fence(&vk::FenceCreateInfo::default(), None);
        let fences: Vec<vk::Fence> = (0..count).map(make).collect::<Result<_, _>>()?;
        let fill = |i| gpu.record(|cmd| gpu.device.cmd_fill_buffer(cmd, words.buffer, u64::from(i) * 4, 4, i + 1));
        let buffers: Vec<vk::CommandBuffer> = (0..count).map(fill).collect::<Result<_>>()?;
        for round in 0..3 {
            for (b, f) in buffers.iter().zip(&fences) {
                gpu.device.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[*b])], *f)?;
            }
            if round == 0 {
                gpu.device.wait_for_fences(&fences, false, PATIENCE)?;
                ensure!(
                    fences.iter().any(|f| gpu.device.get_fence_status(*f) == Ok(true)),
                    "none of the fences is signalled after waiting for one"
                );
                gpu.device.wait_for_fences(&fences, true, PATIENCE)?;
            } else if round == 1 {
                // As some programs do: looking until it is there.
                let start = Instant::now();
                while !gpu.device.get_fence_status(fences[count as usize - 1])? {
                    ensure!(start.elapsed().as_nanos() < u128::from(PATIENCE), "the last fence isn't signalled");
                }
                gpu.device.wait_for_fences(&fences, true, PATIENCE)?;
            } else {
                gpu.device.queue_wait_idle(gpu.queue)?;
                ensure!(
                    fences.iter().all(|f| gpu.device.get_fence_status(*f) == Ok(true)),
                    "a fence isn't signalled on an idle queue"
                );
            }
            gpu.device.reset_fences(&fences)?;
        }
        words.expect("fills in flight", |i| i + 1)?;
        gpu.device.free_command_buffers(gpu.pool, &buffers);
        for f in fences.iter().chain([&signaled]) {
            gpu.device.destroy_fence(*f, None);
        }
    }
    gpu.free(words);
    Ok(())
}

/// A hundred submissions that wait for each other, started by the host; and what the host sees.
fn timeline(gpu: &Gpu) -> Result<()> {
    let steps = 100u64;
    let word = gpu.buffer(1)?;
    word.fill(|_| 0);
    // SAFETY: handles of this device.
    unsafe {
        let mut kind =
            vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE).initial_value(10);
        let semaphore = gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?;
        ensure!(gpu.device.get_semaphore_counter_value(semaphore)? == 10, "the initial value");
        let semaphores = [semaphore];
        let wait_for = |value: u64, timeout: u64| {
            let values = [value];
            gpu.device
                .wait_semaphores(&vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values), timeout)
        };
        ensure!(wait_for(10, 0).is_ok() && wait_for(9, PATIENCE).is_ok(), "waiting for what has been");
        ensure!(wait_for(11, 5_000_000) == Err(vk::Result::TIMEOUT), "waiting for what nobody signals");
        let mut buffers = Vec::new();
        for i in 0..steps {
            let buffer = gpu.record(|cmd| gpu.device.cmd_fill_buffer(cmd, word.buffer, 0, 4, i as u32))?;
            let (waits, signals, stage) = ([20 + i], [21 + i], [vk::PipelineStageFlags::ALL_COMMANDS]);
            let mut values = vk::TimelineSemaphoreSubmitInfo::default()
                .wait_semaphore_values(&waits)
                .signal_semaphore_values(&signals);
            let list = [buffer];
            let submit = [vk::SubmitInfo::default()
                .wait_semaphores(&semaphores)
                .wait_dst_stage_mask(&stage)
                .signal_semaphores(&semaphores)
                .command_buffers(&list)
                .push_next(&mut values)];
            gpu.device.queue_submit(gpu.queue, &submit, vk::Fence::null())?;
            buffers.push(buffer);
        }
        ensure!(
            gpu.device.get_semaphore_counter_value(semaphore)? == 10 && word.get(0) == 0,
            "something ran before the host said so"
        );
        gpu.device.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(semaphore).value(20))?;
        ensure!(gpu.device.get_semaphore_counter_value(semaphore)? >= 20, "the host's signal isn't seen");
        wait_for(20 + steps / 2, PATIENCE)?;
        wait_for(20 + steps, PATIENCE)?;
        ensure!(gpu.device.get_semaphore_counter_value(semaphore)? == 20 + steps, "the last value");
        ensure!(word.get(0) == steps as u32 - 1, "the last step isn't the last: {}", word.get(0));
        gpu.device.free_command_buffers(gpu.pool, &buffers);

        // A host thread that signals while another waits.
        std::thread::scope(|s| {
            let waiter = s.spawn(|| wait_for(1000, PATIENCE));
            std::thread::sleep(std::time::Duration::from_millis(30));
            gpu.device.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(semaphore).value(1000))?;
            waiter.join().map_err(|_| vk::Result::ERROR_UNKNOWN)?
        })?;
        gpu.device.destroy_semaphore(semaphore, None);
    }
    gpu.free(word);
    Ok(())
}

/// A chain over binary semaphores.
fn binary(gpu: &Gpu) -> Result<()> {
    let word = gpu.buffer(1)?;
    word.fill(|_| 0);
    // SAFETY: handles of this device.
    unsafe {
        let semaphores: Vec<vk::Semaphore> = (0..16)
            .map(|_| gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None))
            .collect::<Result<_, _>>()?;
        let mut buffers = Vec::new();
        for i in 0..=semaphores.len() {
            let buffer = gpu.record(|cmd| gpu.device.cmd_fill_buffer(cmd, word.buffer, 0, 4, i as u32 + 1))?;
            let stage = [vk::PipelineStageFlags::ALL_COMMANDS];
            let list = [buffer];
            let mut submit = vk::SubmitInfo::default().command_buffers(&list);
            if i > 0 {
                submit = submit.wait_semaphores(&semaphores[i - 1..i]).wait_dst_stage_mask(&stage);
            }
            if i < semaphores.len() {
                submit = submit.signal_semaphores(&semaphores[i..=i]);
            }
            gpu.device.queue_submit(gpu.queue, &[submit], vk::Fence::null())?;
            buffers.push(buffer);
        }
        gpu.device.device_wait_idle()?;
        word.expect("the end of a chain of semaphores", |_| semaphores.len() as u32 + 1)?;
        gpu.device.free_command_buffers(gpu.pool, &buffers);
        for s in semaphores {
            gpu.device.destroy_semaphore(s, None);
        }
    }
    gpu.free(word);
    Ok(())
}

/// vkQueueSubmit2, with a binary and a timeline semaphore, and nothing at all.
fn second_submit(gpu: &Gpu) -> Result<()> {
    // SAFETY: handles of this device.
    unsafe {
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        let timeline = gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?;
        let binary = gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
        let stage = vk::PipelineStageFlags2::ALL_COMMANDS;
        let at = |s, value| vk::SemaphoreSubmitInfo::default().semaphore(s).value(value).stage_mask(stage);
        let (first, second) = ([at(timeline, 5), at(binary, 0)], [at(binary, 0)]);
        let last = [at(timeline, 6)];
        let submits = [
            vk::SubmitInfo2::default().signal_semaphore_infos(&first),
            vk::SubmitInfo2::default().wait_semaphore_infos(&second).signal_semaphore_infos(&last),
        ];
        let fence = gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        gpu.device.queue_submit2(gpu.queue, &submits, fence)?;
        gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
        // Software drivers signal the fence a moment before the semaphore.
        let (semaphores, values) = ([timeline], [6]);
        gpu.device
            .wait_semaphores(&vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values), PATIENCE)?;
        ensure!(gpu.device.get_semaphore_counter_value(timeline)? == 6, "the second submission's signal");
        gpu.device.reset_fences(&[fence])?;
        gpu.device.queue_submit(gpu.queue, &[], fence)?;
        gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
        gpu.device.destroy_fence(fence, None);
        gpu.device.destroy_semaphore(timeline, None);
        gpu.device.destroy_semaphore(binary, None);
    }
    Ok(())
}

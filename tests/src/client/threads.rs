//! Threads: each records in a pool of its own, and they submit to one queue in turns.

use std::sync::Mutex;

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::{Gpu, PATIENCE};

const THREADS: u32 = 8;
const ROUNDS: u32 = 25;
const N: usize = 512;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let queue = Mutex::new(());
    let (gpu, queue) = (&gpu, &queue);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|t| s.spawn(move || thread(gpu, queue, t).with_context(|| format!("thread {t}"))))
            .collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })
}

fn thread(gpu: &Gpu, queue: &Mutex<()>, t: u32) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    // SAFETY: handles of this device; pools are this thread's, the queue is locked.
    unsafe {
        let pool = gpu
            .device
            .create_command_pool(&vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family), None)?;
        let fence = gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        for round in 0..ROUNDS {
            // Objects come and go while the other threads use theirs.
            let (a, b) = (gpu.buffer(N)?, gpu.buffer(N)?);
            let pipeline = gpu.scale(t + 2, none, kind)?;
            let sets = gpu.descriptor_pool(1, kind)?;
            let set = gpu.set(sets, pipeline.set_layout, &[&a, &b])?;
            a.fill(|i| i + t * 1000);
            b.fill(|_| 0);
            let buffer = gpu.record_in(pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
                gpu.cmd_scale(cmd, &pipeline, set, N as u32, round);
                gpu.barrier(cmd);
            })?;
            {
                let _one = queue.lock().map_err(|_| anyhow::anyhow!("another thread failed"))?;
                gpu.device.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[buffer])], fence)?;
            }
            gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
            gpu.device.reset_fences(&[fence])?;
            b.expect("a thread's results", |i| (i + t * 1000).wrapping_mul(t + 2).wrapping_add(round))?;
            gpu.device.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())?;
            gpu.device.free_command_buffers(pool, &[buffer]);
            gpu.device.destroy_descriptor_pool(sets, None);
            gpu.free_pipeline(pipeline);
            gpu.free(a);
            gpu.free(b);
        }
        gpu.device.destroy_fence(fence, None);
        gpu.device.destroy_command_pool(pool, None);
    }
    Ok(())
}

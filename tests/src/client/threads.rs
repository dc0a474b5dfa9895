//! Threads: each records in a pool of its own, and they submit to one queue, in turns or, where the queue is internally synchronized, at the same time.

use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use ash::vk;

use crate::gpu::{Gpu, INTERNALLY_SYNCHRONIZED, INTERNALLY_SYNCHRONIZED_QUEUES, PATIENCE};
use crate::shaders::Pipeline;

const THREADS: u32 = 8;
const ROUNDS: u32 = 25;
const N: usize = 512;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    together(&gpu, Some(&Mutex::new(())))?;
    if !gpu.has(INTERNALLY_SYNCHRONIZED_QUEUES) {
        return Ok(());
    }
    drop(gpu);
    let gpu = Gpu::with_queues(INTERNALLY_SYNCHRONIZED)?;
    together(&gpu, None).context("without turns")
}

/// All threads work; in turns where there is a lock for that.
fn together(gpu: &Gpu, queue: Option<&Mutex<()>>) -> Result<()> {
    std::thread::scope(|s| {
        let thread = |t| {
            let mut thread = Thread::new(gpu, queue, t)?;
            (0..ROUNDS).try_for_each(|round| thread.round(round, true))?;
            thread.end()
        };
        let threads: Vec<_> =
            (0..THREADS).map(|t| s.spawn(move || thread(t).with_context(|| format!("thread {t}")))).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// What one of several threads of a device works with.
pub struct Thread<'a> {
    gpu: &'a Gpu,
    queue: Option<&'a Mutex<()>>,
    number: u32,
    pool: vk::CommandPool,
    fence: vk::Fence,
    pipeline: Option<Pipeline>,
}

impl<'a> Thread<'a> {
    /// `queue` is locked around submissions, where it is given.
    pub fn new(gpu: &'a Gpu, queue: Option<&'a Mutex<()>>, number: u32) -> Result<Self> {
        // SAFETY: a valid device.
        unsafe {
            let info = vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family);
            let pool = gpu.device.create_command_pool(&info, None)?;
            let fence = gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
            Ok(Self { gpu, queue, number, pool, fence, pipeline: None })
        }
    }

    /// Objects come and go, a dispatch is recorded, submitted, waited for and checked; with a pipeline made for this round, or the last one.
    pub fn round(&mut self, round: u32, new_pipeline: bool) -> Result<()> {
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let (gpu, t) = (self.gpu, self.number);
        let (a, b) = (gpu.buffer(N)?, gpu.buffer(N)?);
        if new_pipeline && let Some(old) = self.pipeline.take() {
            gpu.free_pipeline(old);
        }
        let pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline,
            None => gpu.scale(t + 2, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?,
        };
        let sets = gpu.descriptor_pool(1, kind)?;
        let set = gpu.set(sets, pipeline.set_layout, &[&a, &b])?;
        a.fill(|i| i + t * 1000);
        b.fill(|_| 0);
        let buffer = gpu.record_in(self.pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
            gpu.cmd_scale(cmd, &pipeline, set, N as u32, round);
            gpu.barrier(cmd);
        })?;
        self.pipeline = Some(pipeline);
        // SAFETY: handles of this device; pool and fence are this thread's, the queue is locked or internally synchronized.
        unsafe {
            {
                let _one = self.queue.map(Mutex::lock).transpose().map_err(|_| anyhow!("another thread failed"))?;
                let submit = [vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&buffer))];
                gpu.device.queue_submit(gpu.queue, &submit, self.fence)?;
            }
            gpu.device.wait_for_fences(&[self.fence], true, PATIENCE).context("vkWaitForFences")?;
            gpu.device.reset_fences(&[self.fence])?;
            b.expect("a thread's results", |i| (i + t * 1000).wrapping_mul(t + 2).wrapping_add(round))?;
            gpu.device.reset_command_pool(self.pool, vk::CommandPoolResetFlags::empty())?;
            gpu.device.free_command_buffers(self.pool, &[buffer]);
            gpu.device.destroy_descriptor_pool(sets, None);
        }
        gpu.free(a);
        gpu.free(b);
        Ok(())
    }

    pub fn end(self) -> Result<()> {
        if let Some(pipeline) = self.pipeline {
            self.gpu.free_pipeline(pipeline);
        }
        // SAFETY: what used them has been waited for.
        unsafe {
            self.gpu.device.destroy_fence(self.fence, None);
            self.gpu.device.destroy_command_pool(self.pool, None);
        }
        Ok(())
    }
}

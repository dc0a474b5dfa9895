//! What submissions and waits cost.

use std::time::Duration;

use anyhow::Result;
use ash::vk;

use super::measure::{Bench, processor_time, row, time};
use crate::gpu::PATIENCE;

impl Bench<'_> {
    /// One submission at a time, seen to end without a wait for its fence.
    pub fn waiting(&self) -> Result<()> {
        let (d, queue) = (&self.gpu.device, self.gpu.queue);
        // SAFETY: handles of this device, waited for before they are used again.
        unsafe {
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
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
    pub fn uploads(&self) -> Result<()> {
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
    pub fn chains(&self) -> Result<()> {
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

    /// Processor time of a wait of one second, and of doing nothing for one.
    pub fn patience(&self) -> Result<()> {
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
}

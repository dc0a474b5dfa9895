//! Recordings whose objects go early, that are dropped half-way, and that several threads submit at once.

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::{Gpu, PATIENCE};
use crate::shaders::Pipeline;

const N: usize = 256;

pub fn run(gpu: &Gpu) -> Result<()> {
    layouts_that_go_early(gpu)?;
    begun_anew(gpu)?;
    submitted_by_several_threads(gpu)
}

/// Destroys the layout of a pipeline, and the pipeline stays.
unsafe fn destroy_layout(gpu: &Gpu, pipeline: &mut Pipeline) {
    // SAFETY: a layout of this device.
    unsafe { gpu.device.destroy_pipeline_layout(std::mem::take(&mut pipeline.layout), None) };
}

/// Records the scale shader's work, whose layout is destroyed between the commands that name it and the end.
unsafe fn scale_without_layout(
    gpu: &Gpu,
    cmd: vk::CommandBuffer,
    pipeline: &mut Pipeline,
    set: vk::DescriptorSet,
    add: u32,
) {
    let (d, point) = (&gpu.device, vk::PipelineBindPoint::COMPUTE);
    let push: Vec<u8> = [N as u32, add].iter().flat_map(|v| v.to_le_bytes()).collect();
    // SAFETY: handles of this device, and a command buffer that is being recorded.
    unsafe {
        d.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
        d.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
        d.cmd_push_constants(cmd, pipeline.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
        destroy_layout(gpu, pipeline);
        d.cmd_dispatch(cmd, N.div_ceil(64) as u32, 1, 1);
    }
    gpu.barrier(cmd);
}

/// Layouts destroyed while they are recorded, which drivers allow where a pipeline made from the layout is there: little is recorded, so
/// that a driver may not have looked at it yet; and another recording is in progress all the while.
fn layouts_that_go_early(gpu: &Gpu) -> Result<()> {
    let (d, kind) = (&gpu.device, vk::DescriptorType::STORAGE_BUFFER);
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    let (a, b) = (gpu.buffer(N)?, gpu.buffer(N)?);
    let mut lasting = gpu.scale(5, none, kind)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, lasting.set_layout, &[&a, &b])?;
    a.fill(|i| i);
    // SAFETY: handles of this device, destroyed as said above.
    unsafe {
        let info = vk::CommandBufferAllocateInfo::default().command_pool(gpu.pool).command_buffer_count(1);
        let slow = d.allocate_command_buffers(&info)?[0];
        d.begin_command_buffer(slow, &vk::CommandBufferBeginInfo::default())?;
        scale_without_layout(gpu, slow, &mut lasting, set, 1000);
        for add in 0..8u32 {
            b.fill(|_| 0);
            let mut pipeline = gpu.scale(add + 2, none, kind)?;
            gpu.run(|cmd| scale_without_layout(gpu, cmd, &mut pipeline, set, add))?;
            gpu.free_pipeline(pipeline);
            b.expect("a recording whose layout is gone", |i| i * (add + 2) + add)?;
        }
        d.end_command_buffer(slow)?;
        gpu.submit(&[slow])?;
        b.expect("the recording in progress", |i| i * 5 + 1000)?;
        d.free_command_buffers(gpu.pool, &[slow]);
        d.destroy_descriptor_pool(pool, None);
    }
    gpu.free_pipeline(lasting);
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

/// A recording becomes invalid when an object that it uses is destroyed, and its command buffer may be begun anew.
fn begun_anew(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    let kept = gpu.buffer(N)?;
    // SAFETY: handles of this device; the first recordings are never ended.
    unsafe {
        let info = vk::CommandBufferAllocateInfo::default().command_pool(gpu.pool).command_buffer_count(1);
        let cmd = d.allocate_command_buffers(&info)?[0];
        // From what no driver has looked at yet to what it surely has.
        for commands in [1, 100, 10_000] {
            let gone = gpu.buffer(N)?;
            d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            for i in 0..commands {
                d.cmd_fill_buffer(cmd, gone.buffer, 0, vk::WHOLE_SIZE, i);
            }
            gpu.free(gone);
            kept.fill(|_| 0);
            d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            d.cmd_fill_buffer(cmd, kept.buffer, 0, vk::WHOLE_SIZE, commands);
            gpu.barrier(cmd);
            d.end_command_buffer(cmd).context("a recording begun anew")?;
            gpu.submit(&[cmd])?;
            kept.expect("a recording begun anew", |_| commands)?;
        }
        d.free_command_buffers(gpu.pool, &[cmd]);
    }
    gpu.free(kept);
    Ok(())
}

/// One command buffer for simultaneous use, submitted by a thread for each queue of its family at the same time.
fn submitted_by_several_threads(gpu: &Gpu) -> Result<()> {
    const ROUNDS: usize = 100;
    let d = &gpu.device;
    let buffer = gpu.buffer(N)?;
    buffer.fill(|_| 0);
    // SAFETY: handles of this device; all work writes the same into the buffer.
    unsafe {
        let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::OCCLUSION).query_count(1);
        let queries = d.create_query_pool(&info, None)?;
        let cmd = gpu.record_in(gpu.pool, vk::CommandBufferUsageFlags::SIMULTANEOUS_USE, |cmd| {
            d.cmd_reset_query_pool(cmd, queries, 0, 1);
            d.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, 7);
            gpu.barrier(cmd);
        })?;
        let others = gpu.others.iter().filter(|(_, family)| *family == gpu.family).map(|(queue, _)| *queue);
        let queues: Vec<vk::Queue> = std::iter::once(gpu.queue).chain(others).collect();
        let submit = |queue: vk::Queue| -> Result<()> {
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            for _ in 0..ROUNDS {
                d.queue_submit(queue, &[vk::SubmitInfo::default().command_buffers(&[cmd])], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                d.reset_fences(&[fence])?;
            }
            d.destroy_fence(fence, None);
            Ok(())
        };
        std::thread::scope(|s| {
            let threads: Vec<_> = queues.iter().map(|q| s.spawn(|| submit(*q))).collect();
            threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
        })?;
        buffer.expect("a command buffer on several queues", |_| 7)?;
        d.free_command_buffers(gpu.pool, &[cmd]);
        d.destroy_query_pool(queries, None);
    }
    gpu.free(buffer);
    Ok(())
}

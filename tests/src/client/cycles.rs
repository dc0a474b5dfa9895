//! Everything made and destroyed again and again: nothing may grow, here or at the host.

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::Gpu;
use crate::pause::pause;
use crate::shaders::SCALE;

/// Four quarters with a pause after each.
pub fn run(count: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    for quarter in 1..=4 {
        for i in 0..count / 4 {
            cycle(&gpu, i).with_context(|| format!("cycle {i}"))?;
        }
        // SAFETY: a valid device.
        unsafe { gpu.device.device_wait_idle()? };
        pause(&format!("quarter {quarter}"))?;
    }
    Ok(())
}

fn cycle(gpu: &Gpu, i: u32) -> Result<()> {
    let d = &gpu.device;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (a, b) = (gpu.buffer(16)?, gpu.buffer(1024)?);
    a.fill(|w| w + i);
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    // SAFETY: handles of this device, destroyed after their last use.
    unsafe {
        let binding = [vk::DescriptorSetLayoutBinding::default()
            .descriptor_count(1)
            .descriptor_type(kind)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)];
        let set_layout = d.create_descriptor_set_layout(
            &vk::DescriptorSetLayoutCreateInfo::default().bindings(&binding).flags(none),
            None,
        )?;
        let layout =
            d.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&[set_layout]), None)?;
        let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?;
        let shader = d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let pool = gpu.descriptor_pool(1, kind)?;
        gpu.set(pool, set_layout, &[&a])?;
        let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let semaphore = d.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
        let event = d.create_event(&vk::EventCreateInfo::default(), None)?;
        let queries = d.create_query_pool(
            &vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(2),
            None,
        )?;
        let sampler = d.create_sampler(&vk::SamplerCreateInfo::default(), None)?;
        let cache = d.create_pipeline_cache(&vk::PipelineCacheCreateInfo::default(), None)?;
        let commands =
            d.create_command_pool(&vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family), None)?;
        let buffer = gpu.record_in(commands, vk::CommandBufferUsageFlags::empty(), |cmd| {
            d.cmd_copy_buffer(
                cmd,
                a.buffer,
                b.buffer,
                &[vk::BufferCopy { src_offset: 0, dst_offset: 0, size: a.size }],
            );
            gpu.barrier(cmd);
        })?;
        if i.is_multiple_of(16) {
            d.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[buffer])], fence)?;
            d.wait_for_fences(&[fence], true, crate::gpu::PATIENCE)?;
            anyhow::ensure!(b.get(3) == 3 + i, "a copy of cycle {i} is {}", b.get(3));
        }
        d.destroy_command_pool(commands, None);
        d.destroy_pipeline_cache(cache, None);
        d.destroy_sampler(sampler, None);
        d.destroy_query_pool(queries, None);
        d.destroy_event(event, None);
        d.destroy_semaphore(semaphore, None);
        d.destroy_fence(fence, None);
        d.destroy_descriptor_pool(pool, None);
        d.destroy_shader_module(shader, None);
        d.destroy_pipeline_layout(layout, None);
        d.destroy_descriptor_set_layout(set_layout, None);
    }
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

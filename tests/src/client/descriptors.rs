//! Descriptor sets in all the ways to fill them.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
use crate::shaders::Pipeline;

const N: u32 = 256;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    copies_and_templates(&gpu)?;
    push(&gpu)?;
    dynamic(&gpu)?;
    exhaustion(&gpu)
}

fn buffer_info(buffer: vk::Buffer) -> vk::DescriptorBufferInfo {
    vk::DescriptorBufferInfo { buffer, offset: 0, range: vk::WHOLE_SIZE }
}

fn free(gpu: &Gpu, pool: vk::DescriptorPool, pipeline: Pipeline) {
    // SAFETY: waited for.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(pipeline);
}

/// A set that is written, one copied from it, one filled by a template.
fn copies_and_templates(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let n = N as usize;
    let (a, b, c, d) = (gpu.buffer(n)?, gpu.buffer(n)?, gpu.buffer(n)?, gpu.buffer(n)?);
    let double = gpu.scale(2, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let pool = gpu.descriptor_pool(4, kind)?;
    let written = gpu.set(pool, double.set_layout, &[&a, &b])?;
    let copied = gpu.set(pool, double.set_layout, &[&c, &c])?;
    let templated = gpu.set(pool, double.set_layout, &[])?;
    let copy = |src: vk::DescriptorSet, from: u32, dst: vk::DescriptorSet, to: u32| {
        vk::CopyDescriptorSet::default().src_set(src).src_binding(from).dst_set(dst).dst_binding(to).descriptor_count(1)
    };
    let entry = |binding: u32| vk::DescriptorUpdateTemplateEntry {
        dst_binding: binding,
        dst_array_element: 0,
        descriptor_count: 1,
        descriptor_type: kind,
        // In the other order, with something in between.
        offset: (1 - binding as usize) * 32,
        stride: 24,
    };
    let entries = [entry(0), entry(1)];
    let info = vk::DescriptorUpdateTemplateCreateInfo::default()
        .descriptor_update_entries(&entries)
        .template_type(vk::DescriptorUpdateTemplateType::DESCRIPTOR_SET)
        .descriptor_set_layout(double.set_layout);
    let mut data = [0u64; 7];
    data[4..7].copy_from_slice(&[vk::Handle::as_raw(c.buffer), 0, vk::WHOLE_SIZE]);
    data[0..3].copy_from_slice(&[vk::Handle::as_raw(d.buffer), 0, vk::WHOLE_SIZE]);
    // SAFETY: handles of this device; the data has what the entries describe.
    unsafe {
        // b -> c: the first binding of the copied set is the second of the written one.
        gpu.device.update_descriptor_sets(&[], &[copy(written, 1, copied, 0)]);
        let template = gpu.device.create_descriptor_update_template(&info, None)?;
        gpu.device.update_descriptor_set_with_template(templated, template, data.as_ptr().cast());
        gpu.device.destroy_descriptor_update_template(template, None);
    }
    a.fill(|i| i + 1);
    for x in [&b, &c, &d] {
        x.fill(|_| 0);
    }
    gpu.run(|cmd| {
        for set in [written, copied, templated] {
            gpu.cmd_scale(cmd, &double, set, N, 0);
            gpu.barrier(cmd);
        }
    })?;
    b.expect("written set", |i| (i + 1) * 2)?;
    c.expect("copied set", |i| (i + 1) * 4)?;
    d.expect("templated set", |i| (i + 1) * 8)?;
    free(gpu, pool, double);
    for x in [a, b, c, d] {
        gpu.free(x);
    }
    Ok(())
}

/// Descriptors in the command stream.
fn push(gpu: &Gpu) -> Result<()> {
    // SAFETY: a valid physical device.
    let offered = unsafe { gpu.instance.enumerate_device_extension_properties(gpu.physical)? };
    if !offered.iter().any(|e| e.extension_name_as_c_str() == Ok(ash::khr::push_descriptor::NAME)) {
        println!("no VK_KHR_push_descriptor here");
        return Ok(());
    }
    let loader = ash::khr::push_descriptor::Device::new(&gpu.instance, &gpu.device);
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (a, b) = (gpu.buffer(N as usize)?, gpu.buffer(N as usize)?);
    let triple = gpu.scale(3, vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR, kind)?;
    a.fill(|i| i);
    b.fill(|_| 0);
    let (from, to) = ([buffer_info(a.buffer)], [buffer_info(b.buffer)]);
    let point = vk::PipelineBindPoint::COMPUTE;
    gpu.run(|cmd| {
        let write =
            |i: u32, info| vk::WriteDescriptorSet::default().dst_binding(i).descriptor_type(kind).buffer_info(info);
        let words: Vec<u8> = [N, 5].iter().flat_map(|v| v.to_le_bytes()).collect();
        // SAFETY: recording with handles of this device.
        unsafe {
            gpu.device.cmd_bind_pipeline(cmd, point, triple.pipeline);
            loader.cmd_push_descriptor_set(cmd, point, triple.layout, 0, &[write(0, &from), write(1, &to)]);
            gpu.device.cmd_push_constants(cmd, triple.layout, vk::ShaderStageFlags::COMPUTE, 0, &words);
            gpu.device.cmd_dispatch(cmd, N.div_ceil(64), 1, 1);
        }
        gpu.barrier(cmd);
    })?;
    b.expect("pushed descriptors", |i| i * 3 + 5)?;
    gpu.free_pipeline(triple);
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

/// Offsets given when the set is bound.
fn dynamic(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER_DYNAMIC;
    let step = (gpu.properties.limits.min_storage_buffer_offset_alignment as u32).max(256) / 4;
    let (a, b) = (gpu.buffer(step as usize * 4)?, gpu.buffer(step as usize * 4)?);
    let double = gpu.scale(2, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, double.set_layout, &[])?;
    let range = u64::from(step) * 4;
    let infos = [a.buffer, b.buffer].map(|buffer| [vk::DescriptorBufferInfo { buffer, offset: 0, range }]);
    let write = |i: usize| {
        vk::WriteDescriptorSet::default()
            .dst_set(set)
            .dst_binding(i as u32)
            .descriptor_type(kind)
            .buffer_info(&infos[i])
    };
    a.fill(|i| i);
    b.fill(|_| 0);
    // SAFETY: handles of this device.
    unsafe { gpu.device.update_descriptor_sets(&[write(0), write(1)], &[]) };
    gpu.run(|cmd| {
        let point = vk::PipelineBindPoint::COMPUTE;
        let words: Vec<u8> = [step, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
        // SAFETY: recording; the offsets lie inside the buffers.
        unsafe {
            gpu.device.cmd_bind_pipeline(cmd, point, double.pipeline);
            gpu.device.cmd_push_constants(cmd, double.layout, vk::ShaderStageFlags::COMPUTE, 0, &words);
            for (from, to) in [(3, 0), (1, 2)] {
                gpu.device.cmd_bind_descriptor_sets(
                    cmd,
                    point,
                    double.layout,
                    0,
                    &[set],
                    &[from * step * 4, to * step * 4],
                );
                gpu.device.cmd_dispatch(cmd, step.div_ceil(64), 1, 1);
            }
        }
        gpu.barrier(cmd);
    })?;
    b.expect("dynamic offsets", |i| match i / step {
        0 => (i + 3 * step) * 2,
        2 => (i - step) * 2,
        _ => 0,
    })?;
    free(gpu, pool, double);
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

/// A pool gives what it has, says so when it has no more, and has it again after a reset or a free.
fn exhaustion(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let pipeline = gpu.scale(1, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: 8 }];
    let flags = vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET;
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(4).pool_sizes(&sizes).flags(flags);
    // SAFETY: handles of this device.
    unsafe {
        let pool = gpu.device.create_descriptor_pool(&info, None)?;
        let one = [pipeline.set_layout];
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&one);
        for round in 0..3 {
            let mut sets = Vec::new();
            for _ in 0..4 {
                sets.extend(gpu.device.allocate_descriptor_sets(&info)?);
            }
            // A pool may give more than was asked for, or say that it has no more: nothing else.
            match gpu.device.allocate_descriptor_sets(&info) {
                Ok(more) => sets.extend(more),
                Err(e) => ensure!(e == vk::Result::ERROR_OUT_OF_POOL_MEMORY, "a fifth set of four: {e}"),
            }
            if round == 1 {
                gpu.device.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())?;
            } else {
                gpu.device.free_descriptor_sets(pool, &sets)?;
            }
        }
        free(gpu, pool, pipeline);
    }
    Ok(())
}

//! Images: what goes in through a buffer comes out again.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

const SIDE: u32 = 64;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    formats(&gpu)?;
    there_and_back(&gpu, vk::ImageTiling::OPTIMAL)?;
    there_and_back(&gpu, vk::ImageTiling::LINEAR)?;
    objects(&gpu)
}

/// Formats that every device has, and a usage that none has.
fn formats(gpu: &Gpu) -> Result<()> {
    // SAFETY: a valid physical device.
    unsafe {
        let rgba = gpu.instance.get_physical_device_format_properties(gpu.physical, vk::Format::R8G8B8A8_UNORM);
        ensure!(
            rgba.optimal_tiling_features.contains(vk::FormatFeatureFlags::SAMPLED_IMAGE),
            "R8G8B8A8_UNORM can't be sampled: {rgba:?}"
        );
        let ask = |format, usage| {
            let (kind, tiling, none) =
                (vk::ImageType::TYPE_2D, vk::ImageTiling::OPTIMAL, vk::ImageCreateFlags::empty());
            gpu.instance.get_physical_device_image_format_properties(gpu.physical, format, kind, tiling, usage, none)
        };
        let good = ask(vk::Format::R8G8B8A8_UNORM, vk::ImageUsageFlags::SAMPLED)?;
        ensure!(good.max_extent.width >= 4096, "images of 4096 pixels must be possible: {good:?}");
        // Twice, as an answer may have been kept.
        for _ in 0..2 {
            let bad = ask(vk::Format::R64G64B64A64_SFLOAT, vk::ImageUsageFlags::COLOR_ATTACHMENT);
            ensure!(bad.is_err(), "rendering to R64G64B64A64_SFLOAT: {bad:?}");
        }
    }
    Ok(())
}

fn transition(gpu: &Gpu, cmd: vk::CommandBuffer, image: vk::Image, from: vk::ImageLayout, to: vk::ImageLayout) {
    let all = vk::AccessFlags2::MEMORY_READ | vk::AccessFlags2::MEMORY_WRITE;
    let barrier = [vk::ImageMemoryBarrier2::default()
        .image(image)
        .old_layout(from)
        .new_layout(to)
        .src_stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
        .dst_stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
        .src_access_mask(all)
        .dst_access_mask(all)
        .subresource_range(whole())];
    // SAFETY: recording.
    unsafe { gpu.device.cmd_pipeline_barrier2(cmd, &vk::DependencyInfo::default().image_memory_barriers(&barrier)) };
}

fn whole() -> vk::ImageSubresourceRange {
    vk::ImageSubresourceRange {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        level_count: 1,
        layer_count: 1,
        ..Default::default()
    }
}

fn there_and_back(gpu: &Gpu, tiling: vk::ImageTiling) -> Result<()> {
    let pixels = (SIDE * SIDE) as usize;
    let (up, down) = (gpu.buffer(pixels)?, gpu.buffer(pixels)?);
    up.fill(|i| i.wrapping_mul(2_654_435_761));
    down.fill(|_| 0);
    let extent = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };
    let info = vk::ImageCreateInfo::default()
        .image_type(vk::ImageType::TYPE_2D)
        .format(vk::Format::R8G8B8A8_UINT)
        .extent(extent)
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .tiling(tiling)
        .usage(vk::ImageUsageFlags::TRANSFER_SRC | vk::ImageUsageFlags::TRANSFER_DST);
    let layers =
        vk::ImageSubresourceLayers { aspect_mask: vk::ImageAspectFlags::COLOR, layer_count: 1, ..Default::default() };
    let region = [vk::BufferImageCopy { image_subresource: layers, image_extent: extent, ..Default::default() }];
    // SAFETY: handles of this device.
    unsafe {
        let image = gpu.device.create_image(&info, None)?;
        let needs = gpu.device.get_image_memory_requirements(image);
        ensure!(needs.size >= pixels as u64 * 4, "an image needs less than its pixels: {needs:?}");
        let kind = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
        let memory = gpu.device.allocate_memory(
            &vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind),
            None,
        )?;
        gpu.device.bind_image_memory(image, memory, 0)?;
        if tiling == vk::ImageTiling::LINEAR {
            let place = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
            let layout = gpu.device.get_image_subresource_layout(image, place);
            ensure!(layout.row_pitch >= u64::from(SIDE) * 4, "rows are shorter than their pixels: {layout:?}");
        }
        gpu.run(|cmd| {
            let (undefined, dst, src) = (
                vk::ImageLayout::UNDEFINED,
                vk::ImageLayout::TRANSFER_DST_OPTIMAL,
                vk::ImageLayout::TRANSFER_SRC_OPTIMAL,
            );
            transition(gpu, cmd, image, undefined, dst);
            gpu.device.cmd_copy_buffer_to_image(cmd, up.buffer, image, dst, &region);
            transition(gpu, cmd, image, dst, src);
            gpu.device.cmd_copy_image_to_buffer(cmd, image, src, down.buffer, &region);
            gpu.barrier(cmd);
        })?;
        gpu.device.destroy_image(image, None);
        gpu.device.free_memory(memory, None);
    }
    down.expect("an image's pixels", |i| i.wrapping_mul(2_654_435_761))?;
    gpu.free(up);
    gpu.free(down);
    Ok(())
}

/// Samplers and a render pass: objects that compute programs seldom make.
fn objects(gpu: &Gpu) -> Result<()> {
    let attachment = [vk::AttachmentDescription::default()
        .format(vk::Format::R8G8B8A8_UNORM)
        .samples(vk::SampleCountFlags::TYPE_1)
        .final_layout(vk::ImageLayout::GENERAL)];
    let color = [vk::AttachmentReference { attachment: 0, layout: vk::ImageLayout::GENERAL }];
    let subpass = [vk::SubpassDescription::default().color_attachments(&color)];
    // SAFETY: handles of this device.
    unsafe {
        let sampler = gpu.device.create_sampler(&vk::SamplerCreateInfo::default().max_lod(vk::LOD_CLAMP_NONE), None)?;
        let pass = gpu.device.create_render_pass(
            &vk::RenderPassCreateInfo::default().attachments(&attachment).subpasses(&subpass),
            None,
        )?;
        let granularity = gpu.device.get_render_area_granularity(pass);
        ensure!(granularity.width >= 1 && granularity.height >= 1, "granularity {granularity:?}");
        gpu.device.destroy_render_pass(pass, None);
        gpu.device.destroy_sampler(sampler, None);
    }
    Ok(())
}

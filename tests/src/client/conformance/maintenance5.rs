//! VK_KHR_maintenance5 in a render pass: points whose size nobody writes, index buffers with a size, shaders without modules, and flags of 64 bits in place of
//! those of 32. What else it has: the granularity of renderings, the layout of images that aren't made, and (`array_layers`) layers to the last.
//! Flags of compute pipelines are in `pipelines`.

use anyhow::{Result, ensure};
use ash::vk;

use super::array_layers;
use super::outcome::Outcome;
use crate::gpu::{Buffer, Gpu};
use crate::picture::{AREA, FORMAT, FRAGMENT, Picture, Points, SIDE};

const SIZELESS: &[u8] = include_bytes!("../../../shaders/generated/sizeless.vert.spv");

pub fn run(_: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    if !gpu.maintenance5 {
        return Ok(Outcome::LeftOut("there is no VK_KHR_maintenance5"));
    }
    granularity(&gpu)?;
    layouts(&gpu)?;
    draws(&gpu)?;
    array_layers::check(&gpu)?;
    Ok(Outcome::Passed)
}

/// Every rendering has a granularity, also one without attachments.
fn granularity(gpu: &Gpu) -> Result<()> {
    let extension = ash::khr::maintenance5::Device::new(&gpu.instance, &gpu.device);
    let formats = [FORMAT, vk::Format::R32_SFLOAT];
    let some = vk::RenderingAreaInfoKHR::default().color_attachment_formats(&formats);
    let depth = vk::RenderingAreaInfoKHR::default().depth_attachment_format(vk::Format::D16_UNORM);
    for info in [vk::RenderingAreaInfoKHR::default(), some, depth] {
        // SAFETY: a valid struct.
        let told = unsafe { extension.get_rendering_area_granularity(&info) };
        let limits = &gpu.properties.limits;
        let possible = (1..=limits.max_framebuffer_width).contains(&told.width)
            && (1..=limits.max_framebuffer_height).contains(&told.height);
        ensure!(possible, "a granularity of {told:?}");
    }
    Ok(())
}

/// The layout of an image is the same asked for in each way, before it is made and afterwards.
fn layouts(gpu: &Gpu) -> Result<()> {
    let extension = ash::khr::maintenance5::Device::new(&gpu.instance, &gpu.device);
    let info = vk::ImageCreateInfo::default()
        .image_type(vk::ImageType::TYPE_2D)
        .format(vk::Format::R8G8B8A8_UINT)
        .extent(vk::Extent3D { width: 37, height: 21, depth: 1 })
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .tiling(vk::ImageTiling::LINEAR)
        .usage(vk::ImageUsageFlags::TRANSFER_SRC);
    let place = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
    let place2 = vk::ImageSubresource2KHR::default().image_subresource(place);
    let (mut early, mut late) = (vk::SubresourceLayout2KHR::default(), vk::SubresourceLayout2KHR::default());
    // SAFETY: valid structs, and an image of this device.
    let first = unsafe {
        let of = vk::DeviceImageSubresourceInfoKHR::default().create_info(&info).subresource(&place2);
        extension.get_device_image_subresource_layout(&of, &mut early);
        let image = gpu.device.create_image(&info, None)?;
        extension.get_image_subresource_layout2(image, &place2, &mut late);
        let first = gpu.device.get_image_subresource_layout(image, place);
        gpu.device.destroy_image(image, None);
        first
    };
    let told = |l: vk::SubresourceLayout| (l.offset, l.size, l.row_pitch);
    let (early, late, first) = (told(early.subresource_layout), told(late.subresource_layout), told(first));
    ensure!(early == late && late == first, "{early:?} before it is made, {late:?} and {first:?} afterwards");
    ensure!(first.2 >= 37 * 4 && first.1 >= first.2 * 20 + 37 * 4, "an image of 37 by 21 pixels has {first:?}");
    Ok(())
}

/// Points by indices of both sizes.
fn draws(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    let extension = ash::khr::maintenance5::Device::new(&gpu.instance, d);
    let picture = Picture::new(gpu, vk::ImageCreateInfo::default())?;
    let points = Points::new(gpu)?;
    let pass = render_pass(gpu)?;
    let pipeline = pipeline(gpu, &points, pass)?;
    let indices = index_buffer(gpu)?;
    // Words 0 to 7 as indices: the lower half of each has a vertex, the upper one another.
    indices.fill(|i| (i * 20) | (i * 20 + 128) << 16);
    let (views, clear) = ([picture.view], [vk::ClearValue::default()]);
    let info =
        vk::FramebufferCreateInfo::default().render_pass(pass).attachments(&views).width(SIDE).height(SIDE).layers(1);
    // SAFETY: handles of this device.
    let framebuffer = unsafe { d.create_framebuffer(&info, None)? };
    let draw = |what: &str, wanted: &[(u32, u32)], bind: &dyn Fn(vk::CommandBuffer)| {
        gpu.run(|cmd| {
            picture.begin(gpu, cmd);
            let begin = vk::RenderPassBeginInfo::default()
                .render_pass(pass)
                .framebuffer(framebuffer)
                .render_area(AREA)
                .clear_values(&clear);
            // SAFETY: recording with handles of this device.
            unsafe {
                d.cmd_begin_render_pass(cmd, &begin, vk::SubpassContents::INLINE);
                d.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, pipeline);
                bind(cmd);
                d.cmd_draw_indexed(cmd, 3, 1, 1, 0, 4);
                d.cmd_draw_indexed(cmd, 0, 1, 0, 0, 0);
                d.cmd_end_render_pass(cmd);
            }
            picture.end(gpu, cmd);
        })?;
        picture.expect(what, wanted)
    };
    let bind = |cmd, offset, size, kind| {
        // SAFETY: recording; a range inside of the buffer.
        unsafe { extension.cmd_bind_index_buffer2(cmd, indices.buffer, offset, size, kind) };
    };
    // The second half-word of the third word, then two of the fourth one.
    let halves = [(2 * 20 + 128, 4), (3 * 20, 4), (3 * 20 + 128, 4)];
    draw("16-bit indices with a size", &halves, &|cmd| bind(cmd, 8, 8, vk::IndexType::UINT16))?;
    draw("16-bit indices to the end", &halves, &|cmd| bind(cmd, 8, vk::WHOLE_SIZE, vk::IndexType::UINT16))?;
    indices.fill(|i| i * 20);
    let words = [(60, 4), (80, 4), (100, 4)];
    draw("32-bit indices with a size", &words, &|cmd| bind(cmd, 8, 16, vk::IndexType::UINT32))?;
    draw("32-bit indices as before", &words, &|cmd| {
        // SAFETY: as above.
        unsafe { d.cmd_bind_index_buffer(cmd, indices.buffer, 8, vk::IndexType::UINT32) };
    })?;
    // SAFETY: everything has been waited for.
    unsafe {
        d.destroy_framebuffer(framebuffer, None);
        d.destroy_pipeline(pipeline, None);
        d.destroy_render_pass(pass, None);
    }
    points.free(gpu);
    picture.free(gpu);
    gpu.free(indices);
    Ok(())
}

fn render_pass(gpu: &Gpu) -> Result<vk::RenderPass> {
    let attachment = [vk::AttachmentDescription::default()
        .format(FORMAT)
        .samples(vk::SampleCountFlags::TYPE_1)
        .load_op(vk::AttachmentLoadOp::CLEAR)
        .store_op(vk::AttachmentStoreOp::STORE)
        .final_layout(vk::ImageLayout::GENERAL)];
    let color = [vk::AttachmentReference { attachment: 0, layout: vk::ImageLayout::GENERAL }];
    let subpass = [vk::SubpassDescription::default().color_attachments(&color)];
    let info = vk::RenderPassCreateInfo::default().attachments(&attachment).subpasses(&subpass);
    // SAFETY: a valid device.
    unsafe { Ok(gpu.device.create_render_pass(&info, None)?) }
}

/// A pipeline whose shaders stand in its stages, and whose flags stand in the chain: those of 32 bits would make a library of it.
fn pipeline(gpu: &Gpu, points: &Points, pass: vk::RenderPass) -> Result<vk::Pipeline> {
    let code = |spirv: &[u8]| ash::util::read_spv(&mut std::io::Cursor::new(spirv));
    let (vertex, fragment) = (code(SIZELESS)?, code(FRAGMENT)?);
    let mut vertex = vk::ShaderModuleCreateInfo::default().code(&vertex);
    let mut fragment = vk::ShaderModuleCreateInfo::default().code(&fragment);
    let stage = |stage| vk::PipelineShaderStageCreateInfo::default().stage(stage).name(c"main");
    let stages = [
        stage(vk::ShaderStageFlags::VERTEX).push_next(&mut vertex),
        stage(vk::ShaderStageFlags::FRAGMENT).push_next(&mut fragment),
    ];
    let mut flags =
        vk::PipelineCreateFlags2CreateInfoKHR::default().flags(vk::PipelineCreateFlags2KHR::DISABLE_OPTIMIZATION);
    points.pipeline(gpu, |info| {
        info.p_stages = stages.as_ptr().cast();
        info.render_pass = pass;
        info.flags = vk::PipelineCreateFlags::LIBRARY_KHR | vk::PipelineCreateFlags::FAIL_ON_PIPELINE_COMPILE_REQUIRED;
        info.p_next = (&raw mut flags).cast();
    })
}

/// A buffer of eight words whose usage stands in the chain.
fn index_buffer(gpu: &Gpu) -> Result<Buffer> {
    let mut usage = vk::BufferUsageFlags2CreateInfoKHR::default().usage(vk::BufferUsageFlags2KHR::INDEX_BUFFER);
    let info = vk::BufferCreateInfo::default().size(32).push_next(&mut usage);
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    // SAFETY: handles of this device.
    unsafe {
        let buffer = gpu.device.create_buffer(&info, None)?;
        let needs = gpu.device.get_buffer_memory_requirements(buffer);
        let kind = gpu.memory_type(needs.memory_type_bits, flags)?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = gpu.device.allocate_memory(&info, None)?;
        gpu.device.bind_buffer_memory(buffer, memory, 0)?;
        let map = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        Ok(Buffer { buffer, memory, size: 32, map })
    }
}

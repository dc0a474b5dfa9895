//! Members that Vulkan says are ignored hold garbage: pointers to where nothing is, handles of nothing, absurd counts.

use anyhow::Result;
use ash::vk::{self, Handle};

use crate::gpu::Gpu;
use crate::picture::{AREA, FORMAT, Picture, Points, SIDE};

/// A pointer that nobody may follow: the first page is never mapped.
fn nowhere<T>() -> *const T {
    std::ptr::without_provenance(8)
}

/// A handle that no driver has given.
fn nothing<H: Handle>() -> H {
    H::from_raw(0xdead_beef_dead_beef)
}

const SOME: u32 = 3;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    buffers(&gpu)?;
    inheritance(&gpu)?;
    immutable_samplers(&gpu)?;
    rendering(&gpu)?;
    render_passes(&gpu)
}

/// Queue families of buffers that belong to one at a time.
fn buffers(gpu: &Gpu) -> Result<()> {
    let mut info = vk::BufferCreateInfo::default().size(256).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
    (info.queue_family_index_count, info.p_queue_family_indices) = (SOME, nowhere());
    // SAFETY: with EXCLUSIVE sharing the array is ignored.
    unsafe {
        let buffer = gpu.device.create_buffer(&info, None)?;
        gpu.device.destroy_buffer(buffer, None);
    }
    Ok(())
}

/// What a primary command buffer inherits, and what a secondary one outside of render passes does.
fn inheritance(gpu: &Gpu) -> Result<()> {
    let info = vk::CommandBufferAllocateInfo::default().command_pool(gpu.pool).command_buffer_count(1);
    let mut formats = vk::CommandBufferInheritanceRenderingInfo::default();
    (formats.color_attachment_count, formats.p_color_attachment_formats) = (SOME, nowhere());
    let inherited = vk::CommandBufferInheritanceInfo::default()
        .render_pass(nothing())
        .framebuffer(nothing())
        .subpass(SOME)
        .push_next(&mut formats);
    // SAFETY: handles of this device; what isn't valid is ignored.
    unsafe {
        let primary = gpu.device.allocate_command_buffers(&info)?[0];
        let secondary = gpu.device.allocate_command_buffers(&info.level(vk::CommandBufferLevel::SECONDARY))?[0];
        let begin = vk::CommandBufferBeginInfo { p_inheritance_info: nowhere(), ..Default::default() };
        gpu.device.begin_command_buffer(primary, &begin)?;
        let begin = vk::CommandBufferBeginInfo::default().inheritance_info(&inherited);
        gpu.device.begin_command_buffer(secondary, &begin)?;
        gpu.device.end_command_buffer(secondary)?;
        gpu.device.cmd_execute_commands(primary, &[secondary]);
        gpu.device.end_command_buffer(primary)?;
        gpu.submit(&[primary])?;
        gpu.device.free_command_buffers(gpu.pool, &[primary, secondary]);
    }
    Ok(())
}

/// Samplers of descriptors whose binding has samplers of its own, written and pushed; arrays of other types; the set of a push.
fn immutable_samplers(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::COMBINED_IMAGE_SAMPLER;
    let info = vk::ImageCreateInfo::default()
        .image_type(vk::ImageType::TYPE_2D)
        .format(FORMAT)
        .extent(vk::Extent3D { width: SIDE, height: SIDE, depth: 1 })
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .usage(vk::ImageUsageFlags::SAMPLED);
    // SAFETY: handles of this device; what isn't valid is ignored.
    unsafe {
        let image = gpu.device.create_image(&info, None)?;
        let needs = gpu.device.get_image_memory_requirements(image);
        let memory_type = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
        let allocation = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(memory_type);
        let memory = gpu.device.allocate_memory(&allocation, None)?;
        gpu.device.bind_image_memory(image, memory, 0)?;
        let range = vk::ImageSubresourceRange {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            level_count: 1,
            layer_count: 1,
            ..Default::default()
        };
        let view = vk::ImageViewCreateInfo::default().image(image).view_type(vk::ImageViewType::TYPE_2D);
        let view = gpu.device.create_image_view(&view.format(FORMAT).subresource_range(range), None)?;
        let sampler = gpu.device.create_sampler(&vk::SamplerCreateInfo::default(), None)?;

        let samplers = [sampler];
        let binding = vk::DescriptorSetLayoutBinding::default()
            .binding(2)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .descriptor_type(kind)
            .immutable_samplers(&samplers);
        // A binding whose type has no samplers.
        let mut other = binding.binding(3).descriptor_type(vk::DescriptorType::STORAGE_BUFFER);
        other.p_immutable_samplers = nowhere();
        let bindings = [binding, other];
        let image_info = [vk::DescriptorImageInfo {
            sampler: nothing(),
            image_view: view,
            image_layout: vk::ImageLayout::SHADER_READ_ONLY_OPTIMAL,
        }];
        let mut write = vk::WriteDescriptorSet::default().dst_binding(2).descriptor_type(kind).image_info(&image_info);
        (write.p_buffer_info, write.p_texel_buffer_view) = (nowhere(), nowhere());

        let layout = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let set_layout = gpu.device.create_descriptor_set_layout(&layout, None)?;
        let sizes = [
            vk::DescriptorPoolSize { ty: kind, descriptor_count: 1 },
            vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: 1 },
        ];
        let pool = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
        let pool = gpu.device.create_descriptor_pool(&pool, None)?;
        let layouts = [set_layout];
        let set = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
        let set = gpu.device.allocate_descriptor_sets(&set)?[0];
        gpu.device.update_descriptor_sets(&[write.dst_set(set)], &[]);

        if gpu.has(ash::khr::push_descriptor::NAME) {
            let loader = ash::khr::push_descriptor::Device::new(&gpu.instance, &gpu.device);
            let flags = vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR;
            let pushed = gpu.device.create_descriptor_set_layout(&layout.flags(flags), None)?;
            let layouts = [pushed];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            let layout = gpu.device.create_pipeline_layout(&layout, None)?;
            let point = vk::PipelineBindPoint::COMPUTE;
            gpu.run(|cmd| loader.cmd_push_descriptor_set(cmd, point, layout, 0, &[write.dst_set(nothing())]))?;
            gpu.device.destroy_pipeline_layout(layout, None);
            gpu.device.destroy_descriptor_set_layout(pushed, None);
        }
        gpu.device.destroy_descriptor_pool(pool, None);
        gpu.device.destroy_descriptor_set_layout(set_layout, None);
        gpu.device.destroy_sampler(sampler, None);
        gpu.device.destroy_image_view(view, None);
        gpu.device.destroy_image(image, None);
        gpu.device.free_memory(memory, None);
    }
    Ok(())
}

/// An image whose queue families are ignored.
fn picture(gpu: &Gpu) -> Result<Picture> {
    let mut info = vk::ImageCreateInfo::default();
    (info.queue_family_index_count, info.p_queue_family_indices) = (SOME, nowhere());
    Picture::new(gpu, info)
}

/// What no pipeline of points looks at.
fn spoil(info: &mut vk::GraphicsPipelineCreateInfo) {
    info.p_depth_stencil_state = nowhere();
    info.p_tessellation_state = nowhere();
    info.base_pipeline_handle = nothing();
}

/// Draws a point in a begun rendering.
fn draw(gpu: &Gpu, cmd: vk::CommandBuffer, pipeline: vk::Pipeline, at: u32) {
    // SAFETY: recording with handles of this device.
    unsafe {
        gpu.device.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, pipeline);
        gpu.device.cmd_set_viewport(
            cmd,
            0,
            &[vk::Viewport { width: SIDE as f32, height: SIDE as f32, max_depth: 1.0, ..Default::default() }],
        );
        gpu.device.cmd_draw(cmd, 1, 1, at, 0);
    }
}

/// A pipeline without a render pass: dynamic viewports, no depth; resolve views of attachments that aren't resolved.
fn rendering(gpu: &Gpu) -> Result<()> {
    let (picture, points) = (picture(gpu)?, Points::new(gpu)?);
    let formats = [FORMAT];
    let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
    let area = [AREA];
    let mut viewport = vk::PipelineViewportStateCreateInfo::default().scissors(&area);
    (viewport.viewport_count, viewport.p_viewports) = (1, nowhere());
    let dynamic = [vk::DynamicState::VIEWPORT];
    let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&dynamic);
    let pipeline = points.pipeline(gpu, |info| {
        spoil(info);
        info.p_next = (&raw mut rendering).cast();
        (info.p_viewport_state, info.p_dynamic_state) = ((&raw const viewport).cast(), (&raw const dynamic).cast());
    })?;
    gpu.run(|cmd| {
        picture.begin(gpu, cmd);
        let attachment = picture.attachment().resolve_image_view(nothing()).resolve_mode(vk::ResolveModeFlags::NONE);
        let attachments = [attachment];
        let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
        // SAFETY: recording with handles of this device; the resolve view is ignored.
        unsafe { gpu.device.cmd_begin_rendering(cmd, &info) };
        draw(gpu, cmd, pipeline, 5);
        // SAFETY: as above.
        unsafe { gpu.device.cmd_end_rendering(cmd) };
        picture.end(gpu, cmd);
    })?;
    picture.expect("a point in a picture with garbage around it", &[(5, 0)])?;

    // A pipeline without fragments has no use for what comes after them.
    let raster = vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0).rasterizer_discard_enable(true);
    let blind = points.pipeline(gpu, |info| {
        spoil(info);
        info.stage_count = 1;
        info.p_next = (&raw mut rendering).cast();
        info.p_rasterization_state = &raw const raster;
        info.p_viewport_state = nowhere();
        info.p_multisample_state = nowhere();
        info.p_color_blend_state = nowhere();
    })?;
    // SAFETY: all work is done.
    unsafe {
        gpu.device.destroy_pipeline(blind, None);
        gpu.device.destroy_pipeline(pipeline, None);
    }
    points.free(gpu);
    picture.free(gpu);
    Ok(())
}

/// A render pass decides on the formats and on what state there is; an imageless framebuffer has no attachments to look at.
fn render_passes(gpu: &Gpu) -> Result<()> {
    let (picture, points) = (picture(gpu)?, Points::new(gpu)?);
    let general = vk::ImageLayout::GENERAL;
    let attachment = [vk::AttachmentDescription::default()
        .format(FORMAT)
        .samples(vk::SampleCountFlags::TYPE_1)
        .load_op(vk::AttachmentLoadOp::CLEAR)
        .store_op(vk::AttachmentStoreOp::STORE)
        .initial_layout(general)
        .final_layout(general)];
    let color = [vk::AttachmentReference { attachment: 0, layout: general }];
    let subpasses = [vk::SubpassDescription::default().color_attachments(&color), vk::SubpassDescription::default()];
    let pass = vk::RenderPassCreateInfo::default().attachments(&attachment).subpasses(&subpasses);
    let mut rendering = vk::PipelineRenderingCreateInfo::default();
    (rendering.color_attachment_count, rendering.p_color_attachment_formats) = (SOME, nowhere());
    let formats = [FORMAT];
    let image = [vk::FramebufferAttachmentImageInfo::default()
        .usage(vk::ImageUsageFlags::COLOR_ATTACHMENT | vk::ImageUsageFlags::TRANSFER_SRC)
        .width(SIDE)
        .height(SIDE)
        .layer_count(1)
        .view_formats(&formats)];
    let mut images = vk::FramebufferAttachmentsCreateInfo::default().attachment_image_infos(&image);
    let views = [picture.view];
    // SAFETY: handles of this device; what isn't valid is ignored.
    unsafe {
        let pass = gpu.device.create_render_pass(&pass, None)?;
        let mut framebuffer = vk::FramebufferCreateInfo::default()
            .flags(vk::FramebufferCreateFlags::IMAGELESS)
            .render_pass(pass)
            .width(SIDE)
            .height(SIDE)
            .layers(1)
            .push_next(&mut images);
        (framebuffer.attachment_count, framebuffer.p_attachments) = (1, nowhere());
        let framebuffer = gpu.device.create_framebuffer(&framebuffer, None)?;
        let dynamic = [vk::DynamicState::VIEWPORT];
        let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&dynamic);
        let pipeline = points.pipeline(gpu, |info| {
            spoil(info);
            info.render_pass = pass;
            info.p_dynamic_state = (&raw const dynamic).cast();
            info.p_next = (&raw mut rendering).cast();
        })?;
        // The second subpass has no attachments at all.
        let without = points.pipeline(gpu, |info| {
            spoil(info);
            (info.render_pass, info.subpass) = (pass, 1);
            info.p_color_blend_state = nowhere();
        })?;
        gpu.run(|cmd| {
            picture.begin(gpu, cmd);
            let mut attachments = vk::RenderPassAttachmentBeginInfo::default().attachments(&views);
            let clear = [vk::ClearValue::default()];
            let begin = vk::RenderPassBeginInfo::default()
                .render_pass(pass)
                .framebuffer(framebuffer)
                .render_area(AREA)
                .clear_values(&clear)
                .push_next(&mut attachments);
            gpu.device.cmd_begin_render_pass(cmd, &begin, vk::SubpassContents::INLINE);
            draw(gpu, cmd, pipeline, 200);
            gpu.device.cmd_next_subpass(cmd, vk::SubpassContents::INLINE);
            gpu.device.cmd_end_render_pass(cmd);
            picture.end(gpu, cmd);
        })?;
        picture.expect("a point in a render pass with garbage around it", &[(200, 0)])?;
        gpu.device.destroy_pipeline(without, None);
        gpu.device.destroy_pipeline(pipeline, None);
        gpu.device.destroy_framebuffer(framebuffer, None);
        gpu.device.destroy_render_pass(pass, None);
    }
    points.free(gpu);
    picture.free(gpu);
    Ok(())
}

//! Drawing points by vkCmdDrawMultiEXT and vkCmdDrawMultiIndexedEXT, with dynamic rendering.

use ash::{Device, vk};

use super::objects::FORMAT;
use super::pipelines::words;
use super::poison::{self, Edge};
use super::run::{Ended, Thread};
use crate::command::Id;
use crate::plan::images::SIDE;

const VERTEX: &[u8] = include_bytes!("../../../shaders/generated/dots.vert.spv");
const FRAGMENT: &[u8] = include_bytes!("../../../shaders/generated/dots.frag.spv");
/// Indices of the index buffer, which count down.
const INDICES: u32 = 512;

/// A pipeline for points, its layout, and indices.
pub struct Drawing {
    pipeline: vk::Pipeline,
    layout: vk::PipelineLayout,
    indices: vk::Buffer,
    memory: vk::DeviceMemory,
}

impl Drawing {
    unsafe fn new(d: &Device, memory_type: u32) -> Result<Self, vk::Result> {
        let edge = Edge::new();
        // SAFETY: a valid device.
        unsafe {
            let layout = d.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default(), None)?;
            let pipeline = points(d, layout, &edge)?;
            let info =
                vk::BufferCreateInfo::default().size(u64::from(INDICES) * 4).usage(vk::BufferUsageFlags::INDEX_BUFFER);
            let indices = d.create_buffer(&info, None)?;
            let needs = d.get_buffer_memory_requirements(indices);
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(memory_type);
            let memory = d.allocate_memory(&info, None)?;
            d.bind_buffer_memory(indices, memory, 0)?;
            let map = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast::<u32>();
            for i in 0..INDICES {
                map.add(i as usize).write(INDICES - 1 - i);
            }
            d.unmap_memory(memory);
            Ok(Self { pipeline, layout, indices, memory })
        }
    }

    /// # Safety
    /// Nothing uses it.
    pub unsafe fn destroy(&self, d: &Device) {
        // SAFETY: by contract.
        unsafe {
            d.destroy_pipeline(self.pipeline, None);
            d.destroy_pipeline_layout(self.layout, None);
            d.destroy_buffer(self.indices, None);
            d.free_memory(self.memory, None);
        }
    }
}

unsafe fn points(d: &Device, layout: vk::PipelineLayout, edge: &Edge) -> Result<vk::Pipeline, vk::Result> {
    // SAFETY: a valid device; arguments live through the calls.
    unsafe {
        let module =
            |bytes: &[u8]| d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words(bytes)), None);
        let (vertex, fragment) = (module(VERTEX)?, module(FRAGMENT)?);
        let stage =
            |stage, module| vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main");
        let stages = [stage(vk::ShaderStageFlags::VERTEX, vertex), stage(vk::ShaderStageFlags::FRAGMENT, fragment)];
        let inputs = vk::PipelineVertexInputStateCreateInfo::default();
        let assembly = vk::PipelineInputAssemblyStateCreateInfo::default().topology(vk::PrimitiveTopology::POINT_LIST);
        let viewport = vk::PipelineViewportStateCreateInfo {
            viewport_count: 1,
            // Dynamic.
            p_viewports: edge.bad(),
            scissor_count: 1,
            p_scissors: edge.bad(),
            ..Default::default()
        };
        let raster = vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0);
        let samples =
            vk::PipelineMultisampleStateCreateInfo::default().rasterization_samples(vk::SampleCountFlags::TYPE_1);
        let target = [vk::PipelineColorBlendAttachmentState::default().color_write_mask(vk::ColorComponentFlags::RGBA)];
        let blend = vk::PipelineColorBlendStateCreateInfo::default().attachments(&target);
        let states = [vk::DynamicState::VIEWPORT, vk::DynamicState::SCISSOR];
        let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&states);
        let formats = [FORMAT];
        let rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
        let info = vk::GraphicsPipelineCreateInfo {
            p_next: (&raw const rendering).cast(),
            stage_count: 2,
            p_stages: stages.as_ptr(),
            p_vertex_input_state: &inputs,
            p_input_assembly_state: &assembly,
            // No stage for it, and no attachment.
            p_tessellation_state: edge.bad(),
            p_depth_stencil_state: edge.bad(),
            p_viewport_state: &viewport,
            p_rasterization_state: &raster,
            p_multisample_state: &samples,
            p_color_blend_state: &blend,
            p_dynamic_state: &dynamic,
            layout,
            base_pipeline_handle: poison::handle(),
            base_pipeline_index: poison::count() as i32,
            ..Default::default()
        };
        let made = d.create_graphics_pipelines(vk::PipelineCache::null(), &[info], None);
        d.destroy_shader_module(vertex, None);
        d.destroy_shader_module(fragment, None);
        made.map(|p| p[0]).map_err(|(_, e)| e)
    }
}

impl Thread<'_> {
    pub unsafe fn draws(
        &mut self,
        cb: vk::CommandBuffer,
        image: Id,
        draws: &[(u32, u32)],
        stride: u32,
        indexed: bool,
        offset: Option<i32>,
    ) -> Result<(), Ended> {
        let gpu = &self.shared.gpu;
        let d = &gpu.device;
        // SAFETY: by the plan.
        unsafe {
            let made = self.shared.drawing.get_or_init(|| Drawing::new(d, gpu.memory_type(true, u32::MAX)));
            let made = made.as_ref().map_err(|e| *e);
            let drawing = self.must("vkCreateGraphicsPipelines", made)?;
            let target = [vk::RenderingAttachmentInfo {
                image_view: self.shared.handles.views.get(image),
                image_layout: vk::ImageLayout::GENERAL,
                resolve_mode: vk::ResolveModeFlags::NONE,
                // Nothing is resolved.
                resolve_image_view: poison::handle(),
                resolve_image_layout: vk::ImageLayout::GENERAL,
                load_op: vk::AttachmentLoadOp::LOAD,
                store_op: vk::AttachmentStoreOp::STORE,
                ..Default::default()
            }];
            let extent = vk::Extent2D { width: SIDE, height: SIDE };
            let area = vk::Rect2D { extent, ..Default::default() };
            let info = vk::RenderingInfo::default().render_area(area).layer_count(1).color_attachments(&target);
            d.cmd_begin_rendering(cb, &info);
            d.cmd_bind_pipeline(cb, vk::PipelineBindPoint::GRAPHICS, drawing.pipeline);
            let side = SIDE as f32;
            d.cmd_set_viewport(
                cb,
                0,
                &[vk::Viewport { width: side, height: side, max_depth: 1.0, ..Default::default() }],
            );
            d.cmd_set_scissor(cb, 0, &[area]);
            let all = self.elements(draws, stride, indexed);
            let (n, instances, first_instance) = (draws.len() as u32, 1, image);
            if indexed {
                d.cmd_bind_index_buffer(cb, drawing.indices, 0, vk::IndexType::UINT32);
                let offset = offset.as_ref().map_or(std::ptr::null(), |o| self.edge.array(&[*o]));
                let draw = gpu.multi_draw.fp().cmd_draw_multi_indexed_ext;
                draw(cb, n, all.cast(), instances, first_instance, stride, offset);
            } else {
                (gpu.multi_draw.fp().cmd_draw_multi_ext)(cb, n, all.cast(), instances, first_instance, stride);
            }
            d.cmd_end_rendering(cb);
            self.called(7);
        }
        Ok(())
    }

    /// The array of draws, with garbage between the elements and nothing behind the last.
    fn elements(&mut self, draws: &[(u32, u32)], stride: u32, indexed: bool) -> *const u8 {
        let size = if indexed { 12 } else { 8 };
        let Some(gaps) = draws.len().checked_sub(1) else { return self.edge.bad() };
        let stride = stride as usize;
        let to = self.edge.room(gaps * stride + size);
        for (i, (first, count)) in draws.iter().enumerate() {
            let mut words = vec![*first, *count];
            if indexed {
                // The vertex that is added to every index.
                words.push(i as u32 * 3);
            }
            // SAFETY: inside of the room.
            unsafe { std::ptr::copy_nonoverlapping(words.as_ptr().cast(), to.add(i * stride), size) };
        }
        to
    }
}

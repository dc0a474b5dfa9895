//! What draws need: a pipeline for points, and indices.

use ash::{Device, vk};

use super::poison::{self, Edge};

/// The format of all images.
pub const FORMAT: vk::Format = vk::Format::R8G8B8A8_UNORM;
const VERTEX: &[u8] = include_bytes!("../../../shaders/generated/dots.vert.spv");
const FRAGMENT: &[u8] = include_bytes!("../../../shaders/generated/dots.frag.spv");
/// Indices of the index buffer, which count down.
pub const INDICES: u32 = 512;

/// A pipeline for points, its layout, and indices.
pub struct Drawing {
    pub pipeline: vk::Pipeline,
    pub layout: vk::PipelineLayout,
    pub indices: vk::Buffer,
    memory: vk::DeviceMemory,
}

impl Drawing {
    /// # Safety
    /// A valid device.
    ///
    /// # Errors
    /// Those of its calls.
    pub unsafe fn new(d: &Device, memory_type: u32) -> Result<Self, vk::Result> {
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

/// SPIR-V of whole words.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

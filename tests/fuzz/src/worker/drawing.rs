//! What draws need: shaders, pipelines by what they draw to, render passes, and indices.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ash::{Device, vk};

use super::poison::{self, Edge};
use super::render_passes::{PassKind, create};
use crate::command::Style;
use crate::texels::{Class, Texels};

const VERTEX: &[u8] = include_bytes!("../../../shaders/generated/dots.vert.spv");
const CAPTURED_VERTEX: &[u8] = include_bytes!("../../../shaders/generated/captured.vert.spv");
const FRAGMENT: &[u8] = include_bytes!("../../../shaders/generated/dots.frag.spv");
/// Indices of the index buffer, which count down.
pub const INDICES: u32 = 512;

/// What a graphics pipeline is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineKind {
    pub style: Style,
    pub colours: Vec<Texels>,
    pub depth: Option<Texels>,
    pub samples: u32,
    /// The render pass and the subpass; `None` for dynamic rendering.
    pub pass: Option<(PassKind, u32)>,
    /// Whether transform feedback captures its vertices.
    pub captured: bool,
}

/// What all draws of a program share.
pub struct Drawing {
    layout: vk::PipelineLayout,
    pub indices: vk::Buffer,
    memory: vk::DeviceMemory,
    vertex: vk::ShaderModule,
    /// None without transform feedback.
    captured: vk::ShaderModule,
    fragment: vk::ShaderModule,
    pipelines: Mutex<HashMap<PipelineKind, vk::Pipeline>>,
    passes: Mutex<HashMap<PassKind, vk::RenderPass>>,
}

impl Drawing {
    /// # Safety
    /// A valid device.
    ///
    /// # Errors
    /// Those of its calls.
    pub unsafe fn new(d: &Device, memory_type: u32, captures: bool) -> Result<Self, vk::Result> {
        // SAFETY: a valid device; the mapping is as large as the buffer.
        unsafe {
            let layout = d.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default(), None)?;
            let module =
                |bytes: &[u8]| d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words(bytes)), None);
            let (vertex, fragment) = (module(VERTEX)?, module(FRAGMENT)?);
            let captured = if captures { module(CAPTURED_VERTEX)? } else { vk::ShaderModule::null() };
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
            let (pipelines, passes) = (Mutex::default(), Mutex::default());
            Ok(Self { layout, indices, memory, vertex, captured, fragment, pipelines, passes })
        }
    }

    /// The render pass of a kind.
    ///
    /// # Safety
    /// A valid device.
    ///
    /// # Errors
    /// Of the driver.
    pub unsafe fn pass(&self, d: &Device, kind: &PassKind) -> Result<vk::RenderPass, vk::Result> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pass) = passes.get(kind) {
            return Ok(*pass);
        }
        // SAFETY: by contract.
        let pass = unsafe { create(d, kind)? };
        passes.insert(kind.clone(), pass);
        Ok(pass)
    }

    /// The pipeline of a kind. The render pass that it is made for goes at once; it is used with others that are compatible.
    ///
    /// # Safety
    /// A valid device.
    ///
    /// # Errors
    /// Of the driver.
    pub unsafe fn pipeline(&self, d: &Device, kind: &PipelineKind, edge: &Edge) -> Result<vk::Pipeline, vk::Result> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(kind) {
            return Ok(*pipeline);
        }
        // SAFETY: by contract; nothing uses the render pass afterwards.
        let pipeline = unsafe {
            let pass = kind.pass.as_ref().map(|(pass, _)| create(d, pass)).transpose()?;
            let made = self.make(d, kind, pass.unwrap_or_default(), edge);
            if let Some(pass) = pass {
                d.destroy_render_pass(pass, None);
            }
            made?
        };
        pipelines.insert(kind.clone(), pipeline);
        Ok(pipeline)
    }

    unsafe fn make(
        &self,
        d: &Device,
        kind: &PipelineKind,
        pass: vk::RenderPass,
        edge: &Edge,
    ) -> Result<vk::Pipeline, vk::Result> {
        let stage =
            |stage, module| vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main");
        let vertex = if kind.captured { self.captured } else { self.vertex };
        let stages =
            [stage(vk::ShaderStageFlags::VERTEX, vertex), stage(vk::ShaderStageFlags::FRAGMENT, self.fragment)];
        let inputs = vk::PipelineVertexInputStateCreateInfo::default();
        let topology = if kind.style.triangles {
            vk::PrimitiveTopology::TRIANGLE_STRIP
        } else {
            vk::PrimitiveTopology::POINT_LIST
        };
        let assembly = vk::PipelineInputAssemblyStateCreateInfo::default().topology(topology);
        let viewport = vk::PipelineViewportStateCreateInfo {
            viewport_count: 1,
            // Dynamic.
            p_viewports: edge.bad(),
            scissor_count: 1,
            p_scissors: edge.bad(),
            ..Default::default()
        };
        let raster = vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0);
        let samples = vk::PipelineMultisampleStateCreateInfo::default()
            .rasterization_samples(vk::SampleCountFlags::from_raw(kind.samples));
        let targets: Vec<_> = kind.colours.iter().enumerate().map(|(i, t)| written(i, *t)).collect();
        let blend = vk::PipelineColorBlendStateCreateInfo::default().attachments(&targets);
        let tests = kind.depth.map(|texels| tests(texels, kind.style.tests));
        let states = [vk::DynamicState::VIEWPORT, vk::DynamicState::SCISSOR];
        let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&states);
        let formats: Vec<_> = kind.colours.iter().map(|t| t.format()).collect();
        let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
        if let Some(texels) = kind.depth {
            let format = |has| if has { texels.format() } else { vk::Format::UNDEFINED };
            rendering.depth_attachment_format = format(texels.class() != Class::Stencil);
            rendering.stencil_attachment_format = format(texels.class() != Class::Depth);
        }
        let info = vk::GraphicsPipelineCreateInfo {
            p_next: if kind.pass.is_none() { (&raw const rendering).cast() } else { std::ptr::null() },
            stage_count: 2,
            p_stages: stages.as_ptr(),
            p_vertex_input_state: &inputs,
            p_input_assembly_state: &assembly,
            // No stage for it, and none of these where there is no such attachment.
            p_tessellation_state: edge.bad(),
            p_depth_stencil_state: tests.as_ref().map_or(edge.bad(), |t| &raw const *t),
            p_color_blend_state: if targets.is_empty() { edge.bad() } else { &blend },
            p_viewport_state: &viewport,
            p_rasterization_state: &raster,
            p_multisample_state: &samples,
            p_dynamic_state: &dynamic,
            layout: self.layout,
            render_pass: pass,
            // Of render passes alone.
            subpass: kind.pass.as_ref().map_or(poison::count(), |(_, subpass)| *subpass),
            base_pipeline_handle: poison::handle(),
            base_pipeline_index: poison::count() as i32,
            ..Default::default()
        };
        // SAFETY: a valid device; arguments live through the call.
        let made = unsafe { d.create_graphics_pipelines(vk::PipelineCache::null(), &[info], None) };
        made.map(|p| p[0]).map_err(|(_, e)| e)
    }

    /// Destroys all; returns how many objects that were.
    ///
    /// # Safety
    /// Nothing uses it.
    pub unsafe fn destroy(&self, d: &Device) -> u64 {
        let pipelines = std::mem::take(&mut *self.pipelines.lock().unwrap_or_else(PoisonError::into_inner));
        let passes = std::mem::take(&mut *self.passes.lock().unwrap_or_else(PoisonError::into_inner));
        // SAFETY: by contract.
        unsafe {
            pipelines.values().for_each(|p| d.destroy_pipeline(*p, None));
            passes.values().for_each(|p| d.destroy_render_pass(*p, None));
            d.destroy_pipeline_layout(self.layout, None);
            d.destroy_shader_module(self.vertex, None);
            d.destroy_shader_module(self.captured, None);
            d.destroy_shader_module(self.fragment, None);
            d.destroy_buffer(self.indices, None);
            d.free_memory(self.memory, None);
        }
        (pipelines.len() + passes.len()) as u64 + 6
    }
}

/// What the shader writes: floats, to the first target.
fn written(target: usize, texels: Texels) -> vk::PipelineColorBlendAttachmentState {
    let mask = if target == 0 && texels.class() == Class::Float {
        vk::ColorComponentFlags::RGBA
    } else {
        vk::ColorComponentFlags::empty()
    };
    vk::PipelineColorBlendAttachmentState::default().color_write_mask(mask)
}

/// The tests of a style, as far as there is something to test.
fn tests(texels: Texels, tests: u8) -> vk::PipelineDepthStencilStateCreateInfo<'static> {
    use vk::{CompareOp as C, StencilOp as S};
    let (compare, write) =
        [(C::ALWAYS, false), (C::LESS_OR_EQUAL, true), (C::GREATER, true), (C::ALWAYS, true)][usize::from(tests & 3)];
    let (stencil, pass) =
        [(C::ALWAYS, S::KEEP), (C::ALWAYS, S::REPLACE), (C::EQUAL, S::INCREMENT_AND_WRAP), (C::NOT_EQUAL, S::INVERT)]
            [usize::from(tests >> 2 & 3)];
    let state = vk::StencilOpState {
        fail_op: S::KEEP,
        pass_op: pass,
        depth_fail_op: S::DECREMENT_AND_CLAMP,
        compare_op: stencil,
        compare_mask: 0xff,
        write_mask: 0xff,
        reference: 5,
    };
    vk::PipelineDepthStencilStateCreateInfo::default()
        .depth_test_enable(texels.class() != Class::Stencil && tests & 3 != 0)
        .depth_write_enable(write)
        .depth_compare_op(compare)
        .stencil_test_enable(texels.class() != Class::Depth && tests >> 2 & 3 != 0)
        .front(state)
        .back(state)
}

/// SPIR-V of whole words.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

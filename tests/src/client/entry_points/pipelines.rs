//! Pipelines of each kind.

use ash::vk::{self, Handle as _};

use crate::entry_points::keep::keep;
use crate::entry_points::world::World;
use crate::generated::calls as info;
use crate::picture::{AREA, FORMAT, FRAGMENT, VERTEX};

const MADE: &str = "a valid pipeline is made";

/// A shader that casts no ray: SPIR-V 1.4 of an empty `main` that generates rays.
#[rustfmt::skip]
const RAYS: &[u32] = &[
    0x0723_0203, 0x0001_0400, 0, 5, 0, // magic, version, generator, bound, schema
    0x0002_0011, 4479, // OpCapability RayTracingKHR
    0x0006_000a, 0x5f56_5053, 0x5f52_484b, 0x5f79_6172, 0x6361_7274, 0x0067_6e69, // OpExtension "SPV_KHR_ray_tracing"
    0x0003_000e, 0, 1, // OpMemoryModel Logical GLSL450
    0x0005_000f, 5313, 3, 0x6e69_616d, 0, // OpEntryPoint RayGenerationKHR %3 "main"
    0x0002_0013, 1, // %1 = OpTypeVoid
    0x0003_0021, 2, 1, // %2 = OpTypeFunction %1
    0x0005_0036, 1, 3, 0, 2, // %3 = OpFunction
    0x0002_00f8, 4, // %4 = OpLabel
    0x0001_00fd, // OpReturn
    0x0001_0038, // OpFunctionEnd
];

impl World {
    fn module(&self, code: &[u32]) -> vk::ShaderModule {
        let info = vk::ShaderModuleCreateInfo::default().code(code);
        // SAFETY: a valid device and shader.
        unsafe { self.d.create_shader_module(&info, None) }.expect(MADE)
    }

    /// The pipeline that command buffers compute with.
    pub fn shared_pipeline(&mut self) -> vk::Pipeline {
        if self.shared.pipeline.is_null() {
            self.shared.pipeline = self.pipeline();
        }
        self.shared.pipeline
    }

    /// The pipeline that command buffers draw with.
    pub fn shared_graphics_pipeline(&mut self) -> vk::Pipeline {
        if self.shared.graphics_pipeline.is_null() {
            self.shared.graphics_pipeline = self.graphics_pipeline();
        }
        self.shared.graphics_pipeline
    }

    /// A pipeline that computes.
    pub fn pipeline(&mut self) -> vk::Pipeline {
        // SAFETY: a valid device and info.
        unsafe {
            let info = info::compute_pipeline_create_info(self);
            self.d.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).expect(MADE)[0]
        }
    }

    /// A pipeline that draws.
    pub fn graphics_pipeline(&mut self) -> vk::Pipeline {
        let info = self.graphics_pipeline_info();
        // SAFETY: a valid device and info.
        unsafe { self.d.create_graphics_pipelines(vk::PipelineCache::null(), &[info], None).expect(MADE)[0] }
    }

    pub fn graphics_pipeline_info(&mut self) -> vk::GraphicsPipelineCreateInfo<'static> {
        let code = |spirv| ash::util::read_spv(&mut std::io::Cursor::new(spirv)).expect(MADE);
        let stage = |stage, spirv| {
            let module = self.module(&code(spirv));
            vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main")
        };
        let stages =
            vec![stage(vk::ShaderStageFlags::VERTEX, VERTEX), stage(vk::ShaderStageFlags::FRAGMENT, FRAGMENT)].leak();
        let blend = vec![vk::PipelineColorBlendAttachmentState::default()].leak();
        let viewport = vk::Viewport { width: 16.0, height: 16.0, max_depth: 1.0, ..Default::default() };
        let viewports = vk::PipelineViewportStateCreateInfo::default();
        let viewports = viewports.viewports(vec![viewport].leak()).scissors(vec![AREA].leak());
        let samples = vk::PipelineMultisampleStateCreateInfo::default();
        let mut info = vk::GraphicsPipelineCreateInfo::default().stages(stages).layout(self.shared.layout);
        info.p_vertex_input_state = keep(vk::PipelineVertexInputStateCreateInfo::default());
        info.p_input_assembly_state = keep(vk::PipelineInputAssemblyStateCreateInfo::default());
        info.p_viewport_state = keep(viewports);
        info.p_rasterization_state = keep(vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0));
        info.p_multisample_state = keep(samples.rasterization_samples(vk::SampleCountFlags::TYPE_1));
        info.p_color_blend_state = keep(vk::PipelineColorBlendStateCreateInfo::default().attachments(blend));
        let rendering = vk::PipelineRenderingCreateInfo::default();
        info.p_next = keep(rendering.color_attachment_formats(vec![FORMAT].leak())).cast();
        info
    }

    /// The only stage of a pipeline that casts rays.
    pub fn ray_stage(&mut self) -> vk::PipelineShaderStageCreateInfo<'static> {
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::RAYGEN_KHR);
        stage.module(self.module(RAYS)).name(c"main")
    }

    /// A pipeline that casts rays.
    pub fn ray_pipeline(&mut self) -> vk::Pipeline {
        let loader = ash::khr::ray_tracing_pipeline::Device::new(&self.i, &self.d);
        let (cache, deferred) = (vk::PipelineCache::null(), vk::DeferredOperationKHR::null());
        // SAFETY: a valid device and info; the device has the extension.
        unsafe {
            let info = info::ray_tracing_pipeline_create_info_khr(self);
            loader.create_ray_tracing_pipelines(deferred, cache, &[info], None).expect(MADE)[0]
        }
    }
}

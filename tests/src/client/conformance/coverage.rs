//! Alpha to coverage where each sample is shaded by itself (tests/shaders/cover.frag): a sample's own alpha decides whether it is covered. With pipelines
//! in one piece, with alpha to coverage as a dynamic state, and linked from libraries, fast or optimised.

use anyhow::{Context, Result, ensure};
use ash::vk;
use vk::GraphicsPipelineLibraryFlagsEXT as Part;

use super::outcome::Outcome;
use crate::gpu::Gpu;
use crate::picture::{AREA, FORMAT, Picture, Points, SIDE};

const VERTEX: &[u8] = include_bytes!("../../../shaders/generated/cover.vert.spv");
const FRAGMENT: &[u8] = include_bytes!("../../../shaders/generated/cover.frag.spv");
const SAMPLES: vk::SampleCountFlags = vk::SampleCountFlags::TYPE_4;

/// How a pipeline comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Whole,
    DynamicState,
    Linked,
    LinkedAndOptimised,
}

pub fn run(_: u32) -> Result<Outcome> {
    let mut library = vk::PhysicalDeviceGraphicsPipelineLibraryFeaturesEXT::default().graphics_pipeline_library(true);
    let mut dynamic = vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT::default()
        .extended_dynamic_state3_alpha_to_coverage_enable(true);
    let gpu = Gpu::with(vec![
        (ash::khr::pipeline_library::NAME, None),
        (ash::ext::graphics_pipeline_library::NAME, Some(&mut library)),
        (ash::ext::extended_dynamic_state3::NAME, Some(&mut dynamic)),
    ])?;
    // SAFETY: a valid physical device.
    let offered = unsafe { gpu.instance.get_physical_device_features(gpu.physical) };
    if offered.sample_rate_shading == vk::FALSE {
        return Ok(Outcome::LeftOut("samples can't be shaded one by one"));
    }
    let mut ways = vec![Way::Whole];
    if gpu.has(ash::ext::extended_dynamic_state3::NAME) {
        ways.push(Way::DynamicState);
    }
    if gpu.has(ash::ext::graphics_pipeline_library::NAME) {
        ways.extend([Way::Linked, Way::LinkedAndOptimised]);
    }
    let scene = Scene::new(&gpu)?;
    for way in ways {
        scene.check(way).with_context(|| format!("{way:?}"))?;
    }
    scene.free();
    Ok(Outcome::Passed)
}

/// An image of four samples a pixel, what it is resolved into, and the shaders.
struct Scene<'a> {
    gpu: &'a Gpu,
    picture: Picture,
    image: vk::Image,
    memory: vk::DeviceMemory,
    view: vk::ImageView,
    shaders: Points,
}

impl<'a> Scene<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let d = &gpu.device;
        let info = vk::ImageCreateInfo::default()
            .image_type(vk::ImageType::TYPE_2D)
            .format(FORMAT)
            .extent(vk::Extent3D { width: SIDE, height: SIDE, depth: 1 })
            .mip_levels(1)
            .array_layers(1)
            .samples(SAMPLES)
            .usage(vk::ImageUsageFlags::COLOR_ATTACHMENT);
        // SAFETY: handles of this device.
        unsafe {
            let image = d.create_image(&info, None)?;
            let needs = d.get_image_memory_requirements(image);
            let kind = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
            let allocation = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = d.allocate_memory(&allocation, None)?;
            d.bind_image_memory(image, memory, 0)?;
            let view = vk::ImageViewCreateInfo::default()
                .image(image)
                .view_type(vk::ImageViewType::TYPE_2D)
                .format(FORMAT)
                .subresource_range(whole());
            let view = d.create_image_view(&view, None)?;
            let picture = Picture::new(gpu, vk::ImageCreateInfo::default())?;
            let push = [vk::PushConstantRange::default().size(4).stage_flags(vk::ShaderStageFlags::FRAGMENT)];
            let layout = vk::PipelineLayoutCreateInfo::default().push_constant_ranges(&push);
            let layout = d.create_pipeline_layout(&layout, None)?;
            let shaders = Points { vertex: module(gpu, VERTEX)?, fragment: module(gpu, FRAGMENT)?, layout };
            Ok(Self { gpu, picture, image, memory, view, shaders })
        }
    }

    fn free(self) {
        // SAFETY: everything has been waited for.
        unsafe {
            self.gpu.device.destroy_image_view(self.view, None);
            self.gpu.device.destroy_image(self.image, None);
            self.gpu.device.free_memory(self.memory, None);
        }
        self.shaders.free(self.gpu);
        self.picture.free(self.gpu);
    }

    /// Draws with every set of samples whose alpha is 1.
    fn check(&self, way: Way) -> Result<()> {
        let (pipeline, libraries) = self.pipeline(way)?;
        for opaque in 0..16u32 {
            self.draw(way, pipeline, opaque)?;
            let share = |samples: u32| f64::from(samples) * 255.0 / 4.0;
            let covered = |sample: u32| share(opaque >> sample & 1);
            let wanted = [covered(0), covered(1), covered(2), share(opaque.count_ones())];
            for at in 0..SIDE * SIDE {
                let found = self.picture.pixel(at).to_le_bytes();
                let near = found.iter().zip(wanted).all(|(f, w)| (f64::from(*f) - w).abs() < 1.0);
                ensure!(near, "samples {opaque:04b} are covered: pixel {at} is {found:?}, not {wanted:?}");
            }
        }
        for p in libraries.into_iter().chain([pipeline]) {
            // SAFETY: everything has been waited for.
            unsafe { self.gpu.device.destroy_pipeline(p, None) };
        }
        Ok(())
    }

    fn draw(&self, way: Way, pipeline: vk::Pipeline, opaque: u32) -> Result<()> {
        let d = &self.gpu.device;
        let dynamic = ash::ext::extended_dynamic_state3::Device::new(&self.gpu.instance, d);
        self.gpu.run(|cmd| {
            self.picture.begin(self.gpu, cmd);
            let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
            let barrier = vk::ImageMemoryBarrier::default()
                .image(self.image)
                .new_layout(vk::ImageLayout::GENERAL)
                .src_access_mask(all)
                .dst_access_mask(all)
                .subresource_range(whole());
            let (stages, none) = (vk::PipelineStageFlags::ALL_COMMANDS, vk::DependencyFlags::empty());
            let attachment = vk::RenderingAttachmentInfo::default()
                .image_view(self.view)
                .image_layout(vk::ImageLayout::GENERAL)
                .load_op(vk::AttachmentLoadOp::CLEAR)
                .store_op(vk::AttachmentStoreOp::STORE)
                .resolve_mode(vk::ResolveModeFlags::AVERAGE)
                .resolve_image_view(self.picture.view)
                .resolve_image_layout(vk::ImageLayout::GENERAL);
            let attachments = [attachment];
            let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
            // SAFETY: recording with handles of this device.
            unsafe {
                d.cmd_pipeline_barrier(cmd, stages, stages, none, &[], &[], &[barrier]);
                d.cmd_begin_rendering(cmd, &info);
                d.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, pipeline);
                if way == Way::DynamicState {
                    dynamic.cmd_set_alpha_to_coverage_enable(cmd, true);
                }
                let push = opaque.to_le_bytes();
                d.cmd_push_constants(cmd, self.shaders.layout, vk::ShaderStageFlags::FRAGMENT, 0, &push);
                d.cmd_draw(cmd, 3, 1, 0, 0);
                d.cmd_end_rendering(cmd);
            }
            self.picture.end(self.gpu, cmd);
        })
    }

    /// A pipeline, and the libraries that it was linked from.
    fn pipeline(&self, way: Way) -> Result<(vk::Pipeline, Vec<vk::Pipeline>)> {
        match way {
            Way::Whole | Way::DynamicState => Ok((self.piece(None, way)?, Vec::new())),
            Way::Linked | Way::LinkedAndOptimised => {
                let parts = [
                    Part::VERTEX_INPUT_INTERFACE,
                    Part::PRE_RASTERIZATION_SHADERS,
                    Part::FRAGMENT_SHADER,
                    Part::FRAGMENT_OUTPUT_INTERFACE,
                ];
                let libraries = parts.into_iter().map(|p| self.piece(Some(p), way)).collect::<Result<Vec<_>>>()?;
                let mut of = vk::PipelineLibraryCreateInfoKHR::default().libraries(&libraries);
                let mut info = vk::GraphicsPipelineCreateInfo::default().layout(self.shaders.layout).push_next(&mut of);
                if way == Way::LinkedAndOptimised {
                    info = info.flags(vk::PipelineCreateFlags::LINK_TIME_OPTIMIZATION_EXT);
                }
                // SAFETY: libraries of this device that make up a whole pipeline.
                let made =
                    unsafe { self.gpu.device.create_graphics_pipelines(vk::PipelineCache::null(), &[info], None) };
                Ok((made.map_err(|(_, e)| e).context("linking")?[0], libraries))
            }
        }
    }

    /// A whole pipeline, or one part of it as a library.
    fn piece(&self, part: Option<Part>, way: Way) -> Result<vk::Pipeline> {
        let formats = [FORMAT];
        let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
        let mut of = vk::GraphicsPipelineLibraryCreateInfoEXT::default().flags(part.unwrap_or_default());
        let assembly =
            vk::PipelineInputAssemblyStateCreateInfo::default().topology(vk::PrimitiveTopology::TRIANGLE_LIST);
        let samples = vk::PipelineMultisampleStateCreateInfo::default()
            .rasterization_samples(SAMPLES)
            .sample_shading_enable(true)
            .min_sample_shading(1.0)
            .alpha_to_coverage_enable(way != Way::DynamicState);
        let states = [vk::DynamicState::ALPHA_TO_COVERAGE_ENABLE_EXT];
        let states = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&states);
        self.shaders.pipeline(self.gpu, |info| {
            info.p_input_assembly_state = &assembly;
            info.p_multisample_state = &samples;
            info.p_next = (&raw mut rendering).cast();
            if way == Way::DynamicState {
                info.p_dynamic_state = (&raw const states).cast();
            }
            let Some(part) = part else { return };
            of.p_next = info.p_next;
            info.p_next = (&raw mut of).cast();
            info.flags = vk::PipelineCreateFlags::LIBRARY_KHR;
            if way == Way::LinkedAndOptimised {
                info.flags |= vk::PipelineCreateFlags::RETAIN_LINK_TIME_OPTIMIZATION_INFO_EXT;
            }
            // Of the two stages the vertex shader comes first.
            info.stage_count = u32::from(part == Part::PRE_RASTERIZATION_SHADERS || part == Part::FRAGMENT_SHADER);
            if part == Part::FRAGMENT_SHADER {
                info.p_stages = info.p_stages.wrapping_add(1);
            }
        })
    }
}

fn module(gpu: &Gpu, spirv: &[u8]) -> Result<vk::ShaderModule> {
    let code = ash::util::read_spv(&mut std::io::Cursor::new(spirv))?;
    // SAFETY: a valid device.
    unsafe { Ok(gpu.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?) }
}

fn whole() -> vk::ImageSubresourceRange {
    vk::ImageSubresourceRange {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        level_count: 1,
        layer_count: 1,
        ..Default::default()
    }
}

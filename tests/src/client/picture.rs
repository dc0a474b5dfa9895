//! A picture of 16 by 16 pixels to draw points into, and pipelines that draw them (tests/shaders/marks.vert).

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu};

pub const VERTEX: &[u8] = include_bytes!("../../shaders/generated/marks.vert.spv");
pub const FRAGMENT: &[u8] = include_bytes!("../../shaders/generated/marks.frag.spv");

pub const SIDE: u32 = 16;
pub const FORMAT: vk::Format = vk::Format::R8G8B8A8_UNORM;
pub const AREA: vk::Rect2D =
    vk::Rect2D { offset: vk::Offset2D { x: 0, y: 0 }, extent: vk::Extent2D { width: SIDE, height: SIDE } };

/// The image, and a buffer to look at it.
pub struct Picture {
    pub image: vk::Image,
    pub view: vk::ImageView,
    memory: vk::DeviceMemory,
    pixels: Buffer,
}

/// The shaders of the points, and a layout without anything.
pub struct Points {
    pub vertex: vk::ShaderModule,
    pub fragment: vk::ShaderModule,
    pub layout: vk::PipelineLayout,
}

impl Picture {
    /// A picture made from `info`, whose format and size are set here.
    pub fn new(gpu: &Gpu, info: vk::ImageCreateInfo) -> Result<Self> {
        let info = info
            .image_type(vk::ImageType::TYPE_2D)
            .format(FORMAT)
            .extent(vk::Extent3D { width: SIDE, height: SIDE, depth: 1 })
            .mip_levels(1)
            .array_layers(1)
            .samples(vk::SampleCountFlags::TYPE_1)
            .usage(vk::ImageUsageFlags::COLOR_ATTACHMENT | vk::ImageUsageFlags::TRANSFER_SRC);
        // SAFETY: handles of this device.
        unsafe {
            let image = gpu.device.create_image(&info, None)?;
            let needs = gpu.device.get_image_memory_requirements(image);
            let kind = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
            let allocation = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = gpu.device.allocate_memory(&allocation, None)?;
            gpu.device.bind_image_memory(image, memory, 0)?;
            let view = vk::ImageViewCreateInfo::default()
                .image(image)
                .view_type(vk::ImageViewType::TYPE_2D)
                .format(FORMAT)
                .subresource_range(whole());
            let view = gpu.device.create_image_view(&view, None)?;
            Ok(Self { image, view, memory, pixels: gpu.buffer((SIDE * SIDE) as usize)? })
        }
    }

    /// Makes the image ready to be drawn into.
    pub fn begin(&self, gpu: &Gpu, cmd: vk::CommandBuffer) {
        self.transition(gpu, cmd, vk::ImageLayout::UNDEFINED);
    }

    fn transition(&self, gpu: &Gpu, cmd: vk::CommandBuffer, from: vk::ImageLayout) {
        let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
        let barrier = vk::ImageMemoryBarrier::default()
            .image(self.image)
            .old_layout(from)
            .new_layout(vk::ImageLayout::GENERAL)
            .src_access_mask(all)
            .dst_access_mask(all)
            .subresource_range(whole());
        let (stages, none) = (vk::PipelineStageFlags::ALL_COMMANDS, vk::DependencyFlags::empty());
        // SAFETY: recording with handles of this device.
        unsafe { gpu.device.cmd_pipeline_barrier(cmd, stages, stages, none, &[], &[], &[barrier]) };
    }

    /// The attachment of a rendering that begins with an empty picture.
    pub fn attachment(&self) -> vk::RenderingAttachmentInfo<'static> {
        vk::RenderingAttachmentInfo::default()
            .image_view(self.view)
            .image_layout(vk::ImageLayout::GENERAL)
            .load_op(vk::AttachmentLoadOp::CLEAR)
            .store_op(vk::AttachmentStoreOp::STORE)
    }

    /// Copies the picture to where the program can read it.
    pub fn end(&self, gpu: &Gpu, cmd: vk::CommandBuffer) {
        self.transition(gpu, cmd, vk::ImageLayout::GENERAL);
        let layers = vk::ImageSubresourceLayers {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            layer_count: 1,
            ..Default::default()
        };
        let extent = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };
        let region = vk::BufferImageCopy { image_subresource: layers, image_extent: extent, ..Default::default() };
        let (image, layout) = (self.image, vk::ImageLayout::GENERAL);
        // SAFETY: recording with handles of this device.
        unsafe { gpu.device.cmd_copy_image_to_buffer(cmd, image, layout, self.pixels.buffer, &[region]) };
        gpu.barrier(cmd);
    }

    /// Fails unless the points of these vertices, each with its instance, are there and no others.
    pub fn expect(&self, what: &str, points: &[(u32, u32)]) -> Result<()> {
        for at in 0..SIDE * SIDE {
            let found = self.pixels.get(at as usize);
            let instance = points.iter().find(|(vertex, _)| *vertex == at).map(|(_, instance)| *instance);
            let wanted = instance.map_or(0, |i| 0xff00_0000 | (i + 1));
            ensure!(found == wanted, "{what}: pixel {at} is {found:#x}, not {wanted:#x}");
        }
        Ok(())
    }

    /// One pixel of what was copied: red in the lowest byte.
    pub fn pixel(&self, at: u32) -> u32 {
        self.pixels.get(at as usize)
    }

    pub fn free(self, gpu: &Gpu) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            gpu.device.destroy_image_view(self.view, None);
            gpu.device.destroy_image(self.image, None);
            gpu.device.free_memory(self.memory, None);
        }
        gpu.free(self.pixels);
    }
}

fn whole() -> vk::ImageSubresourceRange {
    vk::ImageSubresourceRange {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        level_count: 1,
        layer_count: 1,
        ..Default::default()
    }
}

impl Points {
    pub fn new(gpu: &Gpu) -> Result<Self> {
        // SAFETY: a valid device.
        let module = |spirv: &[u8]| unsafe {
            let code = ash::util::read_spv(&mut std::io::Cursor::new(spirv))?;
            Ok::<_, anyhow::Error>(
                gpu.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?,
            )
        };
        // SAFETY: as above.
        let layout = unsafe { gpu.device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default(), None)? };
        Ok(Self { vertex: module(VERTEX)?, fragment: module(FRAGMENT)?, layout })
    }

    /// A pipeline that draws points over the whole picture, after `change` has seen what it is made from.
    pub fn pipeline(
        &self,
        gpu: &Gpu,
        change: impl FnOnce(&mut vk::GraphicsPipelineCreateInfo),
    ) -> Result<vk::Pipeline> {
        let stage =
            |stage, module| vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main");
        let stages =
            [stage(vk::ShaderStageFlags::VERTEX, self.vertex), stage(vk::ShaderStageFlags::FRAGMENT, self.fragment)];
        let input = vk::PipelineVertexInputStateCreateInfo::default();
        let assembly = vk::PipelineInputAssemblyStateCreateInfo::default().topology(vk::PrimitiveTopology::POINT_LIST);
        let side = SIDE as f32;
        let viewport = [vk::Viewport { width: side, height: side, max_depth: 1.0, ..Default::default() }];
        let area = [AREA];
        let viewport = vk::PipelineViewportStateCreateInfo::default().viewports(&viewport).scissors(&area);
        let raster = vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0);
        let samples =
            vk::PipelineMultisampleStateCreateInfo::default().rasterization_samples(vk::SampleCountFlags::TYPE_1);
        let blend = [vk::PipelineColorBlendAttachmentState::default().color_write_mask(vk::ColorComponentFlags::RGBA)];
        let blend = vk::PipelineColorBlendStateCreateInfo::default().attachments(&blend);
        let mut info = vk::GraphicsPipelineCreateInfo::default()
            .stages(&stages)
            .vertex_input_state(&input)
            .input_assembly_state(&assembly)
            .viewport_state(&viewport)
            .rasterization_state(&raster)
            .multisample_state(&samples)
            .color_blend_state(&blend)
            .layout(self.layout);
        change(&mut info);
        // SAFETY: handles of this device.
        let made = unsafe { gpu.device.create_graphics_pipelines(vk::PipelineCache::null(), &[info], None) };
        Ok(made.map_err(|(_, e)| e).context("vkCreateGraphicsPipelines")?[0])
    }

    pub fn free(self, gpu: &Gpu) {
        // SAFETY: the caller has waited for what uses them.
        unsafe {
            gpu.device.destroy_pipeline_layout(self.layout, None);
            gpu.device.destroy_shader_module(self.vertex, None);
            gpu.device.destroy_shader_module(self.fragment, None);
        }
    }
}

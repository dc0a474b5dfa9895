//! The objects that the commands take.

use anyhow::{Context as _, Result};
use ash::{Device, vk};

use crate::shaders::SCALE;

pub struct Scene<'a> {
    pub d: &'a Device,
    pub layout: vk::PipelineLayout,
    /// Made one after the other, behind the program's back if the driver likes.
    pub pipelines: [vk::Pipeline; 3],
    pub image: vk::Image,
    /// All are recorded; the last is a recording for one submission, which a driver may hold back.
    pub buffers: [vk::CommandBuffer; 3],
}

impl<'a> Scene<'a> {
    /// Makes the objects of a device.
    ///
    /// # Safety
    /// A living device.
    pub unsafe fn new(d: &'a Device) -> Result<Self> {
        // SAFETY: valid infos, and objects of this device.
        unsafe {
            let pool = d.create_command_pool(&vk::CommandPoolCreateInfo::default(), None)?;
            let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(3);
            let buffers: [_; 3] =
                d.allocate_command_buffers(&info)?.try_into().ok().context("three command buffers")?;
            let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
            for (buffer, flags) in buffers.into_iter().zip([Default::default(), Default::default(), once]) {
                d.begin_command_buffer(buffer, &vk::CommandBufferBeginInfo::default().flags(flags))?;
            }
            let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?;
            let module = d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
            let layout = d.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default(), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
            let info =
                vk::ComputePipelineCreateInfo::default().layout(layout).stage(stage.module(module).name(c"main"));
            let pipeline = || d.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).map(|p| p[0]);
            let [a, b, c] = [pipeline(), pipeline(), pipeline()].map(|p| p.map_err(|(_, e)| e).context("a pipeline"));
            let size = vk::Extent3D { width: 16, height: 16, depth: 1 };
            let image = vk::ImageCreateInfo::default().image_type(vk::ImageType::TYPE_2D).extent(size).mip_levels(1);
            let image = image.array_layers(2).format(vk::Format::R8G8B8A8_UNORM).samples(vk::SampleCountFlags::TYPE_1);
            let image = d.create_image(&image.usage(vk::ImageUsageFlags::TRANSFER_DST), None)?;
            Ok(Self { d, layout, pipelines: [a?, b?, c?], image, buffers })
        }
    }
}

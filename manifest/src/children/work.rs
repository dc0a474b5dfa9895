//! Work whose result is known beforehand: copies between mapped buffers, and a shader that hashes.

use std::io::Cursor;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use ash::{Device, vk};

use super::gpu::{Gpu, Words};

const WORDS: usize = 64 << 10;
/// manifest/shaders/hash.comp.
const HASH: &[u8] = include_bytes!("../../shaders/generated/hash.comp.spv");
/// Invocations of a work group of the shader's.
const GROUP: u32 = 64;

/// What the guest's processor writes to mapped memory the device reads, and the other way round.
pub fn memory(gpu: &Gpu) -> Result<()> {
    let (from, to) = (Words::new(gpu, WORDS)?, Words::new(gpu, WORDS)?);
    let seed = seed();
    from.write(|i| mixed(i ^ seed));
    to.write(|_| 0);
    let commands = gpu.record(|device, commands| copy(device, commands, &from, &to))?;
    gpu.run(commands)?;
    let wrong = to.others(|i| mixed(i ^ seed));
    from.free(gpu);
    to.free(gpu);
    ensure!(wrong == 0, "of {WORDS} words that the device was to copy {wrong} didn't arrive in the guest's mapping");
    Ok(())
}

/// A shader computes what this processor computes, too.
pub fn dispatch(gpu: &Gpu) -> Result<()> {
    let (from, to) = (Words::new(gpu, WORDS)?, Words::new(gpu, WORDS)?);
    from.write(|i| i);
    to.write(|_| 0);
    let seed = seed();
    let shader = Shader::new(gpu, [from.buffer, to.buffer])?;
    let commands = gpu.record(|device, commands| shader.record(device, commands, WORDS as u32, seed))?;
    gpu.run(commands)?;
    let wrong = to.others(|i| hash(i, seed));
    shader.destroy(gpu);
    from.free(gpu);
    to.free(gpu);
    ensure!(wrong == 0, "{wrong} of {WORDS} words aren't what the shader computes");
    Ok(())
}

/// Records a copy of a whole buffer.
pub fn copy(device: &Device, commands: vk::CommandBuffer, from: &Words, to: &Words) {
    let whole = [vk::BufferCopy::default().size(from.size().min(to.size()))];
    // SAFETY: the command buffer is being recorded; both buffers are as long as the copy.
    unsafe { device.cmd_copy_buffer(commands, from.buffer, to.buffer, &whole) };
}

/// Another number at each start, so that what an earlier one left isn't taken for a result.
fn seed() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.subsec_nanos() | 1)
}

fn mixed(x: u32) -> u32 {
    (x ^ x >> 15).wrapping_mul(0x2c1b_3c6d)
}

/// What the shader computes.
fn hash(word: u32, seed: u32) -> u32 {
    (0..16).fold(word ^ seed, |x, round| mixed(x).wrapping_add(round))
}

/// The shader with the buffers that it works on.
pub struct Shader {
    set_layout: vk::DescriptorSetLayout,
    descriptors: vk::DescriptorPool,
    set: vk::DescriptorSet,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

impl Shader {
    pub fn new(gpu: &Gpu, buffers: [vk::Buffer; 2]) -> Result<Self> {
        let device = &gpu.device;
        let stage = vk::ShaderStageFlags::COMPUTE;
        let (kind, code) = (vk::DescriptorType::STORAGE_BUFFER, ash::util::read_spv(&mut Cursor::new(HASH))?);
        let binding = |number| vk::DescriptorSetLayoutBinding::default().binding(number).descriptor_count(1);
        let bindings = [0, 1].map(|n| binding(n).descriptor_type(kind).stage_flags(stage));
        // SAFETY: valid parameters of a valid device; the shader is the project's own, and valid SPIR-V with these two bindings and 8 bytes of push
        // constants.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set_layout = device.create_descriptor_set_layout(&info, None).context("vkCreateDescriptorSetLayout")?;
            let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: 2 }];
            let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
            let descriptors = device.create_descriptor_pool(&info, None).context("vkCreateDescriptorPool")?;
            let layouts = [set_layout];
            let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(descriptors).set_layouts(&layouts);
            let sets = device.allocate_descriptor_sets(&info).context("vkAllocateDescriptorSets")?;
            let set = *sets.first().context("no descriptor set")?;
            let whole = buffers.map(|b| [vk::DescriptorBufferInfo::default().buffer(b).range(vk::WHOLE_SIZE)]);
            let write = |n: usize| vk::WriteDescriptorSet::default().dst_set(set).dst_binding(n as u32);
            let writes = [0, 1].map(|n| write(n).descriptor_type(kind).buffer_info(&whole[n]));
            device.update_descriptor_sets(&writes, &[]);
            let push = [vk::PushConstantRange::default().size(8).stage_flags(stage)];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts).push_constant_ranges(&push);
            let layout = device.create_pipeline_layout(&info, None).context("vkCreatePipelineLayout")?;
            let info = vk::ShaderModuleCreateInfo::default().code(&code);
            let module = device.create_shader_module(&info, None).context("vkCreateShaderModule")?;
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main");
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipelines = made.map_err(|(_, e)| e).context("vkCreateComputePipelines")?;
            let pipeline = *pipelines.first().context("no pipeline")?;
            Ok(Self { set_layout, descriptors, set, layout, module, pipeline })
        }
    }

    /// Records a dispatch over `count` words.
    pub fn record(&self, device: &Device, commands: vk::CommandBuffer, count: u32, seed: u32) {
        let point = vk::PipelineBindPoint::COMPUTE;
        let push: Vec<u8> = [count, seed].iter().flat_map(|w| w.to_ne_bytes()).collect();
        // SAFETY: the command buffer is being recorded; the objects go together and live until the work has ended.
        unsafe {
            device.cmd_bind_pipeline(commands, point, self.pipeline);
            device.cmd_bind_descriptor_sets(commands, point, self.layout, 0, &[self.set], &[]);
            device.cmd_push_constants(commands, self.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
            device.cmd_dispatch(commands, count.div_ceil(GROUP), 1, 1);
        }
    }

    /// Ends it. The device isn't at work with it.
    pub fn destroy(self, gpu: &Gpu) {
        let device = &gpu.device;
        // SAFETY: each run of the device's was waited for.
        unsafe {
            device.destroy_pipeline(self.pipeline, None);
            device.destroy_shader_module(self.module, None);
            device.destroy_pipeline_layout(self.layout, None);
            device.destroy_descriptor_pool(self.descriptors, None);
            device.destroy_descriptor_set_layout(self.set_layout, None);
        }
    }
}

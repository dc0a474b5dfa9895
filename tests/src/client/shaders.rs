//! The client's own shaders, pipelines of them, and the sets that they take.

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::{Buffer, Gpu};

/// `to[i] = from[i] * FACTOR + add` (tests/shaders/scale.comp).
pub const SCALE: &[u8] = include_bytes!("../../shaders/generated/scale.comp.spv");
/// Counts invocations and work groups (tests/shaders/tally.comp).
pub const TALLY: &[u8] = include_bytes!("../../shaders/generated/tally.comp.spv");

/// A compute pipeline and what it was made from.
pub struct Pipeline {
    pub pipeline: vk::Pipeline,
    pub layout: vk::PipelineLayout,
    pub set_layout: vk::DescriptorSetLayout,
    pub shader: vk::ShaderModule,
}

impl Gpu {
    /// A pipeline of the scale shader with a work group of 64 and the factor `factor`; `flags` are its set layout's.
    pub fn scale(
        &self,
        factor: u32,
        flags: vk::DescriptorSetLayoutCreateFlags,
        kind: vk::DescriptorType,
    ) -> Result<Pipeline> {
        let (entries, constants) = scale_constants(factor);
        let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
        self.pipeline(SCALE, 2, 8, flags, kind, Some(&special))
    }

    pub fn pipeline(
        &self,
        spirv: &[u8],
        bindings: u32,
        push: u32,
        flags: vk::DescriptorSetLayoutCreateFlags,
        kind: vk::DescriptorType,
        special: Option<&vk::SpecializationInfo>,
    ) -> Result<Pipeline> {
        let code = ash::util::read_spv(&mut std::io::Cursor::new(spirv))?;
        let stage = vk::ShaderStageFlags::COMPUTE;
        let binding = |i| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(i)
                .descriptor_count(1)
                .descriptor_type(kind)
                .stage_flags(stage)
        };
        let bindings: Vec<_> = (0..bindings).map(binding).collect();
        let ranges = [vk::PushConstantRange::default().size(push).stage_flags(stage)];
        // SAFETY: handles of this device.
        unsafe {
            let shader = self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).flags(flags);
            let set_layout = self.device.create_descriptor_set_layout(&info, None)?;
            let layouts = [set_layout];
            let mut info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            if push > 0 {
                info = info.push_constant_ranges(&ranges);
            }
            let layout = self.device.create_pipeline_layout(&info, None)?;
            let mut stage = vk::PipelineShaderStageCreateInfo::default().stage(stage).module(shader).name(c"main");
            if let Some(special) = special {
                stage = stage.specialization_info(special);
            }
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = made.map_err(|(_, e)| e).context("vkCreateComputePipelines")?[0];
            Ok(Pipeline { pipeline, layout, set_layout, shader })
        }
    }

    pub fn free_pipeline(&self, pipeline: Pipeline) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            self.device.destroy_pipeline(pipeline.pipeline, None);
            self.device.destroy_pipeline_layout(pipeline.layout, None);
            self.device.destroy_descriptor_set_layout(pipeline.set_layout, None);
            self.device.destroy_shader_module(pipeline.shader, None);
        }
    }

    /// A pool for `sets` sets with two storage buffers each.
    pub fn descriptor_pool(&self, sets: u32, kind: vk::DescriptorType) -> Result<vk::DescriptorPool> {
        let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: sets * 2 }];
        // SAFETY: handles of this device.
        unsafe {
            Ok(self.device.create_descriptor_pool(
                &vk::DescriptorPoolCreateInfo::default().max_sets(sets).pool_sizes(&sizes),
                None,
            )?)
        }
    }

    /// A set with whole buffers behind its bindings.
    pub fn set(
        &self,
        pool: vk::DescriptorPool,
        layout: vk::DescriptorSetLayout,
        buffers: &[&Buffer],
    ) -> Result<vk::DescriptorSet> {
        let whole: Vec<_> = buffers.iter().map(|b| (*b, 0, vk::WHOLE_SIZE)).collect();
        self.set_of(pool, layout, &whole)
    }

    /// A set with parts of buffers behind its bindings: from where, and how many bytes.
    pub fn set_of(
        &self,
        pool: vk::DescriptorPool,
        layout: vk::DescriptorSetLayout,
        buffers: &[(&Buffer, u64, u64)],
    ) -> Result<vk::DescriptorSet> {
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let layouts = [layout];
        // SAFETY: handles of this device.
        unsafe {
            let set = self.device.allocate_descriptor_sets(
                &vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts),
            )?[0];
            for (i, (b, from, bytes)) in buffers.iter().enumerate() {
                let info = [vk::DescriptorBufferInfo::default().buffer(b.buffer).offset(*from).range(*bytes)];
                let write = vk::WriteDescriptorSet::default()
                    .dst_set(set)
                    .dst_binding(i as u32)
                    .descriptor_type(kind)
                    .buffer_info(&info);
                self.device.update_descriptor_sets(&[write], &[]);
            }
            Ok(set)
        }
    }

    /// Binds and dispatches the scale shader for `count` words.
    pub fn cmd_scale(&self, cmd: vk::CommandBuffer, pipeline: &Pipeline, set: vk::DescriptorSet, count: u32, add: u32) {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording into a begun command buffer.
        unsafe {
            self.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            self.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            let push: Vec<u8> = [count, add].iter().flat_map(|v| v.to_le_bytes()).collect();
            self.device.cmd_push_constants(cmd, pipeline.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
            self.device.cmd_dispatch(cmd, count.div_ceil(64), 1, 1);
        }
    }
}

/// The constants of the scale shader: a work group of 64, and the factor.
pub fn scale_constants(factor: u32) -> ([vk::SpecializationMapEntry; 2], Vec<u8>) {
    let entry = |id, offset| vk::SpecializationMapEntry::default().constant_id(id).offset(offset).size(4);
    ([entry(0, 0), entry(1, 4)], [64, factor].iter().flat_map(|v: &u32| v.to_le_bytes()).collect())
}

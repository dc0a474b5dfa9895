//! The pipeline that works, and what it is made from.

use ash::vk;

use super::data::Data;
use super::journal::{Failed, Journal};
use super::objects::{Objects, made};
use crate::shaders::{SCALE, scale_constants};

/// A pipeline of the scale shader, and the set that it reads.
pub struct Pipeline {
    pub pipeline: vk::Pipeline,
    pub layout: vk::PipelineLayout,
    pub set: vk::DescriptorSet,
}

/// Makes it.
pub fn make(objects: &mut Objects, data: &Data, journal: &mut Journal) -> Result<Pipeline, Failed> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let binding = |n| {
        let binding = vk::DescriptorSetLayoutBinding::default().binding(n).descriptor_count(1).descriptor_type(kind);
        binding.stage_flags(vk::ShaderStageFlags::COMPUTE)
    };
    let bindings = [binding(0), binding(1)];
    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
    let set_layout = made!(
        objects,
        journal,
        "vkCreateDescriptorSetLayout",
        create_descriptor_set_layout(&info),
        "vkDestroyDescriptorSetLayout",
        destroy_descriptor_set_layout
    );
    let layouts = [set_layout];
    let ranges = [vk::PushConstantRange::default().size(8).stage_flags(vk::ShaderStageFlags::COMPUTE)];
    let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts).push_constant_ranges(&ranges);
    let layout = made!(
        objects,
        journal,
        "vkCreatePipelineLayout",
        create_pipeline_layout(&info),
        "vkDestroyPipelineLayout",
        destroy_pipeline_layout
    );
    let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE)).unwrap_or_default();
    let info = vk::ShaderModuleCreateInfo::default().code(&code);
    let shader = made!(
        objects,
        journal,
        "vkCreateShaderModule",
        create_shader_module(&info),
        "vkDestroyShaderModule",
        destroy_shader_module
    );
    let cache = made!(
        objects,
        journal,
        "vkCreatePipelineCache",
        create_pipeline_cache(&vk::PipelineCacheCreateInfo::default()),
        "vkDestroyPipelineCache",
        destroy_pipeline_cache
    );
    let mut last = vk::Pipeline::null();
    for factor in [5, 3] {
        let (entries, constants) = scale_constants(factor);
        let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE).module(shader);
        let stage = stage.name(c"main").specialization_info(&special);
        let info = [vk::ComputePipelineCreateInfo::default().layout(layout).stage(stage)];
        // SAFETY: valid arguments.
        let made = journal.call("vkCreateComputePipelines", || unsafe {
            objects.device.create_compute_pipelines(cache, &info, None).map_err(|(_, code)| code)
        })?;
        last = made.first().copied().unwrap_or_default();
        let pipeline = last;
        objects.at_the_end(move |device, journal| {
            // SAFETY: made by this device, and used no longer.
            journal.plain("vkDestroyPipeline", || unsafe { device.destroy_pipeline(pipeline, None) });
        });
    }
    let sizes = [vk::DescriptorPoolSize::default().ty(kind).descriptor_count(2)];
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
    let pool = made!(
        objects,
        journal,
        "vkCreateDescriptorPool",
        create_descriptor_pool(&info),
        "vkDestroyDescriptorPool",
        destroy_descriptor_pool
    );
    let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
    // SAFETY: valid arguments.
    let sets =
        journal.call("vkAllocateDescriptorSets", || unsafe { objects.device.allocate_descriptor_sets(&info) })?;
    let set = sets.first().copied().unwrap_or_default();
    let whole = |buffer| [vk::DescriptorBufferInfo::default().buffer(buffer).range(vk::WHOLE_SIZE)];
    let (from, to) = (whole(data.from), whole(data.to));
    let write = |n| vk::WriteDescriptorSet::default().dst_set(set).dst_binding(n).descriptor_type(kind);
    let writes = [write(0).buffer_info(&from), write(1).buffer_info(&to)];
    // SAFETY: valid arguments.
    journal.plain("vkUpdateDescriptorSets", || unsafe { objects.device.update_descriptor_sets(&writes, &[]) });
    Ok(Pipeline { pipeline: last, layout, set })
}

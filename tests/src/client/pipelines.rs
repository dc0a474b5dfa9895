//! Pipelines that needn't be there although their creation is no failure, and such that are made from others.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
use crate::shaders::{Pipeline, scale_constants};

/// What the pipelines here multiply with.
const FACTOR: u32 = 3;

type Flags = vk::PipelineCreateFlags;
type Flags2 = vk::PipelineCreateFlags2KHR;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let model = gpu.scale(FACTOR, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let wide = if gpu.maintenance5 { &[false, true][..] } else { &[false] };
    for wide in wide {
        not_compiled(&gpu, &model, *wide)?;
        derived(&gpu, &model, *wide)?;
    }
    gpu.free_pipeline(model);
    Ok(())
}

/// Creates pipelines with these flags, in the create info or in the chained struct that replaces the create info's.
fn create(
    gpu: &Gpu,
    model: &Pipeline,
    flags: &[Flags],
    wide: bool,
    base: vk::Pipeline,
) -> (Vec<vk::Pipeline>, vk::Result) {
    let (entries, constants) = scale_constants(FACTOR);
    let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
    let stage = vk::PipelineShaderStageCreateInfo::default()
        .stage(vk::ShaderStageFlags::COMPUTE)
        .module(model.shader)
        .specialization_info(&special)
        .name(c"main");
    let mut chained: Vec<_> = flags
        .iter()
        .map(|f| vk::PipelineCreateFlags2CreateInfoKHR::default().flags(Flags2::from_raw(f.as_raw().into())))
        .collect();
    let infos: Vec<_> = flags
        .iter()
        .zip(&mut chained)
        .map(|(flags, chained)| {
            let info = vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(model.layout)
                .base_pipeline_handle(base)
                .base_pipeline_index(-1);
            if wide { info.push_next(chained) } else { info.flags(*flags) }
        })
        .collect();
    // What an output array may hold before.
    let mut made: Vec<vk::Pipeline> = infos.iter().map(|_| vk::Handle::from_raw(0x5a5a_5a5a)).collect();
    // SAFETY: valid create infos, and room for as many pipelines. Called as C does, since ash drops those of a positive result.
    let result = unsafe {
        (gpu.device.fp_v1_0().create_compute_pipelines)(
            gpu.device.handle(),
            vk::PipelineCache::null(),
            infos.len() as u32,
            infos.as_ptr(),
            std::ptr::null(),
            made.as_mut_ptr(),
        )
    };
    (made, result)
}

/// VK_PIPELINE_COMPILE_REQUIRED is no error, but no pipeline either.
fn not_compiled(gpu: &Gpu, model: &Pipeline, wide: bool) -> Result<()> {
    let fail = Flags::FAIL_ON_PIPELINE_COMPILE_REQUIRED;
    let early = fail | Flags::EARLY_RETURN_ON_FAILURE;
    // Not all drivers must compile: those that keep what they compiled may have the pipeline.
    for flags in [&[fail][..], &[early], &[early; 3], &[fail; 3], &[Flags::empty(), early, Flags::empty()]] {
        let (made, result) = create(gpu, model, flags, wide, vk::Pipeline::null());
        let there: Vec<bool> = made.iter().map(|p| *p != vk::Pipeline::null()).collect();
        let at = || format!("flags {flags:?} (chained: {wide}): {result:?}, there: {there:?}");
        if result == vk::Result::SUCCESS {
            ensure!(there.iter().all(|t| *t), "{}", at());
        } else {
            ensure!(result == vk::Result::PIPELINE_COMPILE_REQUIRED, "{}", at());
            let first = there.iter().position(|t| !t);
            ensure!(first.is_some_and(|i| flags[i].contains(fail)), "{}", at());
            let stops = first.filter(|i| flags[*i].contains(early));
            ensure!(stops.is_none_or(|i| there[i..].iter().all(|t| !t)), "{}", at());
        }
        for pipeline in made {
            // SAFETY: a pipeline of this device, or null; never submitted.
            unsafe { gpu.device.destroy_pipeline(pipeline, None) };
        }
    }
    computes(gpu, model, model.pipeline, FACTOR, "after pipelines that aren't there")
}

/// A pipeline that is derived from one that was created a moment ago, and used when that is gone.
fn derived(gpu: &Gpu, model: &Pipeline, wide: bool) -> Result<()> {
    let (base, result) = create(gpu, model, &[Flags::ALLOW_DERIVATIVES], wide, vk::Pipeline::null());
    ensure!(result == vk::Result::SUCCESS, "a base ended with {result:?}");
    let (made, result) = create(gpu, model, &[Flags::DERIVATIVE], wide, base[0]);
    ensure!(result == vk::Result::SUCCESS, "a derivative ended with {result:?}");
    // SAFETY: pipelines of this device, waited for.
    unsafe {
        gpu.device.destroy_pipeline(base[0], None);
        computes(gpu, model, made[0], FACTOR, "a derived pipeline")?;
        gpu.device.destroy_pipeline(made[0], None);
    }
    Ok(())
}

/// Whether a pipeline of the scale shader, with the model's layout, computes.
pub fn computes(gpu: &Gpu, model: &Pipeline, pipeline: vk::Pipeline, factor: u32, what: &str) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (a, b) = (gpu.buffer(256)?, gpu.buffer(256)?);
    a.fill(|i| i + 1);
    b.fill(|_| 0);
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, model.set_layout, &[&a, &b])?;
    let used = Pipeline { pipeline, layout: model.layout, set_layout: model.set_layout, shader: model.shader };
    gpu.run(|cmd| {
        gpu.cmd_scale(cmd, &used, set, 256, 0);
        gpu.barrier(cmd);
    })?;
    ensure!((0..256).all(|i| b.get(i) == factor * (i as u32 + 1)), "{what}: it computes wrongly");
    // SAFETY: waited for.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

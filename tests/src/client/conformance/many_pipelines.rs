//! Very many pipelines that live at the same time, compute and graphics; those that are used do their own work, whatever was made after them.

use anyhow::{Result, ensure};
use ash::vk;

use super::outcome::Outcome;
use crate::gpu::Gpu;
use crate::picture::{AREA, FORMAT, Picture, Points, SIDE};
use crate::shaders::{Pipeline, scale_constants};

/// Of a short run.
const COMPUTE: u32 = 96;
const GRAPHICS: u32 = 32;
/// Create infos in one call.
const BATCH: u32 = 16;
/// Pipelines of each kind that are used.
const USED: u32 = 32;

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let model = gpu.scale(1, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let points = Points::new(&gpu)?;
    let (compute, graphics) = (COMPUTE * times, GRAPHICS * times);
    // Each has another factor, so that none can stand for another.
    let mut computing = Vec::new();
    for first in (0..compute).step_by(BATCH as usize) {
        computing.extend(scales(&gpu, &model, first..(first + BATCH).min(compute))?);
    }
    let formats = [FORMAT];
    let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
    let drawing = (0..graphics)
        .map(|i| {
            points.pipeline(&gpu, |info| {
                info.p_next = (&raw mut rendering).cast();
                info.flags =
                    if i % 2 == 0 { vk::PipelineCreateFlags::DISABLE_OPTIMIZATION } else { Default::default() };
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let all = computing.iter().chain(&drawing);
    let mut handles: Vec<_> = all.clone().copied().collect();
    handles.sort_by_key(|p| vk::Handle::as_raw(*p));
    ensure!(handles.windows(2).all(|pair| pair[0] != pair[1]), "two pipelines with one handle");
    dispatches(&gpu, &model, &computing)?;
    draws(&gpu, &drawing)?;
    println!("{compute} compute pipelines and {graphics} graphics pipelines at once");
    for p in all.rev() {
        // SAFETY: everything has been waited for.
        unsafe { gpu.device.destroy_pipeline(*p, None) };
    }
    points.free(&gpu);
    gpu.free_pipeline(model);
    Ok(Outcome::Passed)
}

fn factor(i: u32) -> u32 {
    i * 3 + 1
}

/// Pipelines with these numbers, made by one call.
fn scales(gpu: &Gpu, model: &Pipeline, numbers: std::ops::Range<u32>) -> Result<Vec<vk::Pipeline>> {
    let constants: Vec<_> = numbers.map(|i| scale_constants(factor(i))).collect();
    let special: Vec<_> = constants
        .iter()
        .map(|(entries, data)| vk::SpecializationInfo::default().map_entries(entries).data(data))
        .collect();
    let info = |special| {
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(model.shader)
            .specialization_info(special)
            .name(c"main");
        vk::ComputePipelineCreateInfo::default().stage(stage).layout(model.layout)
    };
    let infos: Vec<_> = special.iter().map(info).collect();
    // SAFETY: handles of this device.
    let made = unsafe { gpu.device.create_compute_pipelines(vk::PipelineCache::null(), &infos, None) };
    Ok(made.map_err(|(_, e)| e)?)
}

/// Some of the pipelines, from the first to the last, each with an output of its own.
fn dispatches(gpu: &Gpu, model: &Pipeline, all: &[vk::Pipeline]) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let from = gpu.buffer(1)?;
    from.fill(|_| 1);
    let outputs = (0..USED).map(|_| gpu.buffer(1)).collect::<Result<Vec<_>>>()?;
    let pool = gpu.descriptor_pool(USED, kind)?;
    let chosen: Vec<usize> = spread(all.len());
    gpu.run(|cmd| {
        for (at, to) in chosen.iter().zip(&outputs) {
            to.fill(|_| 0);
            let used = Pipeline {
                pipeline: all[*at],
                layout: model.layout,
                set_layout: model.set_layout,
                shader: model.shader,
            };
            // The pool has room for all of them.
            if let Ok(set) = gpu.set(pool, model.set_layout, &[&from, to]) {
                gpu.cmd_scale(cmd, &used, set, 1, 0);
            }
        }
        gpu.barrier(cmd);
    })?;
    for (at, to) in chosen.iter().zip(&outputs) {
        to.expect(&format!("pipeline {at} of {}", all.len()), |_| factor(*at as u32))?;
    }
    // SAFETY: everything has been waited for.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    outputs.into_iter().chain([from]).for_each(|b| gpu.free(b));
    Ok(())
}

/// A point of each of some pipelines.
fn draws(gpu: &Gpu, all: &[vk::Pipeline]) -> Result<()> {
    let picture = Picture::new(gpu, vk::ImageCreateInfo::default())?;
    let points: Vec<(u32, u32)> = (0..USED).map(|i| (i * 7 % (SIDE * SIDE), i)).collect();
    gpu.run(|cmd| {
        picture.begin(gpu, cmd);
        let attachments = [picture.attachment()];
        let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
        // SAFETY: recording with handles of this device.
        unsafe {
            gpu.device.cmd_begin_rendering(cmd, &info);
            for (at, (vertex, instance)) in spread(all.len()).into_iter().zip(&points) {
                gpu.device.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, all[at]);
                gpu.device.cmd_draw(cmd, 1, 1, *vertex, *instance);
            }
            gpu.device.cmd_end_rendering(cmd);
        }
        picture.end(gpu, cmd);
    })?;
    picture.expect("points of many pipelines", &points)?;
    picture.free(gpu);
    Ok(())
}

/// Places among `count`, from the first to the last.
fn spread(count: usize) -> Vec<usize> {
    (0..USED as usize).map(|i| i * (count - 1) / (USED as usize - 1)).collect()
}

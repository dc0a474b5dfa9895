//! vkGetQueryPoolResults into memory with a pattern: what isn't available leaves the memory untouched, and so do gaps.

use anyhow::{Result, ensure};
use ash::vk;
use vk::QueryResultFlags as F;

use crate::gpu::Gpu;
use crate::shaders::TALLY;

const PATTERN: u32 = 0xa5a5_a5a5;
/// Queries of a pool, of which the first and the third are available.
const QUERIES: u32 = 4;
/// Words between the queries in memory, more than any results take.
const STRIDE: usize = 8;

/// Command that makes a query of the pool available.
pub type Write<'a> = &'a dyn Fn(vk::CommandBuffer, vk::QueryPool, u32);

pub fn run(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    // SAFETY: a valid device of this instance, and handles of it.
    unsafe {
        let families = gpu.instance.get_physical_device_queue_family_properties(gpu.physical);
        let family = families[gpu.family as usize];
        if family.timestamp_valid_bits > 0 {
            let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(QUERIES);
            let stage = vk::PipelineStageFlags::ALL_COMMANDS;
            kind(gpu, "timestamps", &info, 1, &|cmd, pool, i| d.cmd_write_timestamp(cmd, stage, pool, i))?;
        }
        if family.queue_flags.contains(vk::QueueFlags::GRAPHICS) {
            let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::OCCLUSION).query_count(QUERIES);
            kind(gpu, "occlusion", &info, 1, &|cmd, pool, i| {
                d.cmd_begin_query(cmd, pool, i, vk::QueryControlFlags::empty());
                d.cmd_end_query(cmd, pool, i);
            })?;
        }
        let offered = gpu.instance.get_physical_device_features(gpu.physical);
        if offered.pipeline_statistics_query == vk::TRUE && family.queue_flags.contains(vk::QueueFlags::GRAPHICS) {
            statistics(gpu)?;
        }
    }
    Ok(())
}

/// Two values for each query: vertices, of which there are none, and invocations of a compute shader.
unsafe fn statistics(gpu: &Gpu) -> Result<()> {
    let (d, buffers) = (&gpu.device, vk::DescriptorType::STORAGE_BUFFER);
    let tally = gpu.buffer(2)?;
    let pipeline = gpu.pipeline(TALLY, 1, 0, vk::DescriptorSetLayoutCreateFlags::empty(), buffers, None)?;
    let sets = gpu.descriptor_pool(1, buffers)?;
    let set = gpu.set(sets, pipeline.set_layout, &[&tally])?;
    let counted = vk::QueryPipelineStatisticFlags::INPUT_ASSEMBLY_VERTICES
        | vk::QueryPipelineStatisticFlags::COMPUTE_SHADER_INVOCATIONS;
    let info = vk::QueryPoolCreateInfo::default()
        .query_type(vk::QueryType::PIPELINE_STATISTICS)
        .query_count(QUERIES)
        .pipeline_statistics(counted);
    // SAFETY: handles of this device.
    unsafe {
        let point = vk::PipelineBindPoint::COMPUTE;
        kind(gpu, "statistics", &info, 2, &|cmd, pool, i| {
            d.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            d.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            d.cmd_begin_query(cmd, pool, i, vk::QueryControlFlags::empty());
            d.cmd_dispatch(cmd, 1, 1, 1);
            d.cmd_end_query(cmd, pool, i);
        })?;
        d.destroy_descriptor_pool(sets, None);
    }
    gpu.free_pipeline(pipeline);
    gpu.free(tally);
    Ok(())
}

/// The results of all queries, in memory that held the pattern.
unsafe fn ask(gpu: &Gpu, pool: vk::QueryPool, flags: F) -> (vk::Result, Vec<u32>) {
    // A 64-bit result needs its alignment.
    let mut memory = vec![[u64::from(PATTERN) << 32 | u64::from(PATTERN); STRIDE / 2]; QUERIES as usize];
    // SAFETY: handles of this device, and an array with room for each query.
    let asked = unsafe { gpu.device.get_query_pool_results(pool, 0, &mut memory, flags) };
    let words = memory.iter().flatten().flat_map(|w| [*w as u32, (*w >> 32) as u32]).collect();
    (asked.err().unwrap_or(vk::Result::SUCCESS), words)
}

/// All forms of results of pools with `values` values for each query.
///
/// # Safety
/// `info` is valid, and `write` records only what is valid.
pub unsafe fn kind(gpu: &Gpu, name: &str, info: &vk::QueryPoolCreateInfo, values: usize, write: Write) -> Result<()> {
    let d = &gpu.device;
    // SAFETY: handles of this device.
    unsafe {
        let pool = d.create_query_pool(info, None)?;
        d.reset_query_pool(pool, 0, QUERIES);
        check(gpu, name, pool, values, &[])?;
        gpu.run(|cmd| [0, 2].iter().for_each(|i| write(cmd, pool, *i)))?;
        check(gpu, name, pool, values, &[0, 2])?;
        gpu.run(|cmd| [1, 3].iter().for_each(|i| write(cmd, pool, *i)))?;
        check(gpu, name, pool, values, &[0, 1, 2, 3])?;
        d.reset_query_pool(pool, 1, 2);
        check(gpu, name, pool, values, &[0, 3])?;
        d.destroy_query_pool(pool, None);
    }
    Ok(())
}

/// Asks in all ways, with the queries in `available` available and no others.
unsafe fn check(gpu: &Gpu, name: &str, pool: vk::QueryPool, values: usize, available: &[usize]) -> Result<()> {
    let all = available.len() == QUERIES as usize;
    for wide in [F::TYPE_64, F::empty()] {
        for how in [F::empty(), F::WITH_AVAILABILITY, F::WAIT, F::WAIT | F::WITH_AVAILABILITY] {
            if how.contains(F::WAIT) && !all {
                continue;
            }
            let words = if wide.is_empty() { 1 } else { 2 };
            // SAFETY: handed on.
            let (result, memory) = unsafe { ask(gpu, pool, wide | how) };
            let says =
                |text: &str| format!("{name}, {available:?} available, flags {:#x}: {text}", (wide | how).as_raw());
            let expected = if all { vk::Result::SUCCESS } else { vk::Result::NOT_READY };
            ensure!(result == expected, says(&format!("{result:?}")));
            for (i, query) in memory.chunks_exact(STRIDE).enumerate() {
                let (results, gap) = query.split_at((values + 1) * words);
                let (results, told) = results.split_at(values * words);
                let there = available.contains(&i);
                let untouched = |words: &[u32]| words.iter().all(|w| *w == PATTERN);
                ensure!(untouched(gap), says(&format!("query {i} reaches too far: {query:x?}")));
                // lavapipe puts the availability behind the first value where there are several that aren't available.
                if values > 1 && !there && how.contains(F::WITH_AVAILABILITY) {
                    continue;
                }
                ensure!(there != untouched(results), says(&format!("query {i} is {query:x?}")));
                let is_told = told[0] == u32::from(there) && told[1..].iter().all(|w| *w == 0);
                let as_asked = if how.contains(F::WITH_AVAILABILITY) { is_told } else { untouched(told) };
                ensure!(as_asked, says(&format!("the availability of query {i} is {told:x?}")));
            }
        }
    }
    Ok(())
}

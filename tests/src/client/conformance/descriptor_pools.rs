//! Descriptor pools that are emptied again and again, set by set or at once, and what they say when they have no more.
//! The simplest case of a pool that is full is in `descriptors`.

use anyhow::{Context, Result, ensure};
use ash::vk;

use super::outcome::Outcome;
use crate::gpu::Gpu;
use crate::shaders::Pipeline;

const KIND: vk::DescriptorType = vk::DescriptorType::STORAGE_BUFFER;
/// Sets of the pool that is emptied.
const SETS: u32 = 12;
/// Words that a set's buffer has.
const N: u32 = 64;

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    let pipeline = gpu.scale(3, vk::DescriptorSetLayoutCreateFlags::empty(), KIND)?;
    emptied(&gpu, &pipeline, 400 * times)?;
    mixed(&gpu, &pipeline, 4 * times)?;
    full(&gpu, &pipeline)?;
    gpu.free_pipeline(pipeline);
    Ok(Outcome::Passed)
}

/// A pool of sets with two descriptors each, of which there are `descriptors`.
fn pool(gpu: &Gpu, sets: u32, descriptors: u32) -> Result<vk::DescriptorPool> {
    let sizes = [vk::DescriptorPoolSize { ty: KIND, descriptor_count: descriptors }];
    let flags = vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET;
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(sets).pool_sizes(&sizes).flags(flags);
    // SAFETY: a valid device.
    unsafe { Ok(gpu.device.create_descriptor_pool(&info, None)?) }
}

/// So many sets in one call. Called as C does, to see what a failure leaves in the array.
fn allocate(
    gpu: &Gpu,
    pool: vk::DescriptorPool,
    layout: vk::DescriptorSetLayout,
    count: u32,
) -> (vk::Result, Vec<vk::DescriptorSet>) {
    let layouts = vec![layout; count as usize];
    let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
    let mut sets = vec![vk::Handle::from_raw(0x5a5a); count as usize];
    // SAFETY: handles of this device, and room for as many sets.
    let result =
        unsafe { (gpu.device.fp_v1_0().allocate_descriptor_sets)(gpu.device.handle(), &info, sets.as_mut_ptr()) };
    (result, sets)
}

/// Every round takes all sets, in calls of different sizes, and gives them back in another way; some rounds use them.
fn emptied(gpu: &Gpu, pipeline: &Pipeline, rounds: u32) -> Result<()> {
    let d = &gpu.device;
    let pool = pool(gpu, SETS, SETS * 2)?;
    let (from, to) = (gpu.buffer(N as usize)?, gpu.buffer(N as usize)?);
    from.fill(|i| i + 7);
    for round in 0..rounds {
        let mut sets = Vec::new();
        while sets.len() < SETS as usize {
            let count = (round % 5 + 1).min(SETS - sets.len() as u32);
            let (result, more) = allocate(gpu, pool, pipeline.set_layout, count);
            ensure!(result == vk::Result::SUCCESS, "round {round}: {result} with {} of {SETS} sets", sets.len());
            sets.extend(more);
        }
        if round % 20 == 0 {
            let set = sets[round as usize / 20 % sets.len()];
            let infos = [&from, &to].map(|b| [vk::DescriptorBufferInfo::default().buffer(b.buffer).range(b.size)]);
            let write = |i: u32| {
                let write = vk::WriteDescriptorSet::default().dst_set(set).dst_binding(i);
                write.descriptor_type(KIND).buffer_info(&infos[i as usize])
            };
            to.fill(|_| 0);
            // SAFETY: handles of this device.
            unsafe { d.update_descriptor_sets(&[write(0), write(1)], &[]) };
            gpu.run(|cmd| {
                gpu.cmd_scale(cmd, pipeline, set, N, round);
                gpu.barrier(cmd);
            })?;
            to.expect("a set of a pool that was emptied", |i| (i + 7) * 3 + round)?;
        }
        // SAFETY: sets that nothing uses any more, or null, which is allowed.
        unsafe {
            match round % 4 {
                0 => d.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())?,
                1 => d.free_descriptor_sets(pool, &sets)?,
                2 => sets.iter().rev().try_for_each(|s| d.free_descriptor_sets(pool, &[*s]))?,
                _ => {
                    let (even, odd): (Vec<_>, Vec<_>) = sets.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
                    d.free_descriptor_sets(pool, &[&odd[..], &[vk::DescriptorSet::null()]].concat())?;
                    d.free_descriptor_sets(pool, &even)?;
                }
            }
        }
    }
    // SAFETY: everything has been waited for.
    unsafe { d.destroy_descriptor_pool(pool, None) };
    gpu.free(from);
    gpu.free(to);
    Ok(())
}

/// Sets of two sizes that take each other's place. A pool that is in fragments may refuse them, and has everything again when it was reset.
fn mixed(gpu: &Gpu, pipeline: &Pipeline, rounds: u32) -> Result<()> {
    let d = &gpu.device;
    let bindings = [0, 1, 2].map(|i| {
        let binding = vk::DescriptorSetLayoutBinding::default().binding(i).descriptor_type(KIND).descriptor_count(1);
        binding.stage_flags(vk::ShaderStageFlags::COMPUTE)
    });
    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
    let pool = pool(gpu, SETS, SETS * 5 / 2)?;
    // SAFETY: a valid device.
    let large = unsafe { d.create_descriptor_set_layout(&info, None)? };
    let small = pipeline.set_layout;
    for round in 0..rounds {
        let mut held = Vec::new();
        for i in 0..SETS {
            let (result, set) = allocate(gpu, pool, if (i + round) % 2 == 0 { small } else { large }, 1);
            ensure!(result == vk::Result::SUCCESS, "round {round}: {result} with {i} of {SETS} sets");
            held.extend(set);
        }
        for (layout, freed) in [(small, 5), (large, 3), (small, 4)] {
            let (gone, kept): (Vec<_>, Vec<_>) = (0..).zip(held).partition(|(i, _)| i % freed == round % freed);
            held = kept.into_iter().map(|(_, set)| set).collect();
            for (_, set) in gone {
                // SAFETY: a set that nobody uses.
                unsafe { d.free_descriptor_sets(pool, &[set])? };
                match allocate(gpu, pool, layout, 1) {
                    (vk::Result::SUCCESS, set) => held.extend(set),
                    (vk::Result::ERROR_FRAGMENTED_POOL, _) => {}
                    (result, set) => check(result, &set)?,
                }
            }
        }
        // SAFETY: as above.
        unsafe { d.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())? };
    }
    // SAFETY: as above.
    unsafe {
        d.destroy_descriptor_pool(pool, None);
        d.destroy_descriptor_set_layout(large, None);
    }
    Ok(())
}

/// What is beyond a pool's sets or descriptors is given or refused, never half of it; and refusals take nothing away. The line that is
/// printed tells which, so that drivers over one host can be compared.
fn full(gpu: &Gpu, pipeline: &Pipeline) -> Result<()> {
    let mut told = Vec::new();
    // Sets, descriptors, and how many sets the pool has for certain.
    for (sets, descriptors, room) in [(4, 8, 4), (4, 6, 3), (3, 8, 3), (1, 2, 1)] {
        let pool = pool(gpu, sets, descriptors)?;
        for round in 0..3 {
            let at = || format!("{sets} sets with {descriptors} descriptors, round {round}");
            let (result, all) = allocate(gpu, pool, pipeline.set_layout, room + 1);
            told.push(result);
            check(result, &all).with_context(at)?;
            if result == vk::Result::SUCCESS {
                // SAFETY: sets that nobody uses.
                unsafe { gpu.device.free_descriptor_sets(pool, &all)? };
            }
            for i in 0..room {
                let (result, _) = allocate(gpu, pool, pipeline.set_layout, 1);
                ensure!(result == vk::Result::SUCCESS, "set {i}: {result}; {}", at());
            }
            let (result, more) = allocate(gpu, pool, pipeline.set_layout, 1);
            told.push(result);
            check(result, &more).with_context(at)?;
            // SAFETY: sets that nobody uses.
            unsafe { gpu.device.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())? };
        }
        // SAFETY: as above.
        unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    }
    println!("full pools: {told:?}");
    Ok(())
}

/// All sets, or none and the one error for that (vkAllocateDescriptorSets).
fn check(result: vk::Result, sets: &[vk::DescriptorSet]) -> Result<()> {
    let null = vk::DescriptorSet::null();
    match result {
        vk::Result::SUCCESS => ensure!(sets.iter().all(|s| *s != null), "success without a set: {sets:?}"),
        vk::Result::ERROR_OUT_OF_POOL_MEMORY => {
            ensure!(sets.iter().all(|s| *s == null), "a failure with sets: {sets:?}")
        }
        other => anyhow::bail!("a pool that is full says {other}"),
    }
    Ok(())
}

//! Timestamps are the same in every form in which they can be asked for: in 32 and 64 bits, with and without availability, by the program and
//! by a copy on the queue, before and after a driver knows them.

use anyhow::{Result, ensure};
use ash::vk;
use vk::QueryResultFlags as F;

use super::outcome::Outcome;
use crate::gpu::{Buffer, Gpu};

const QUERIES: u32 = 5;
/// Words between the results of two queries in memory, more than any form takes.
const STRIDE: usize = 6;
/// All forms of results that are there.
const FORMS: [F; 4] =
    [F::empty(), F::TYPE_64, F::WITH_AVAILABILITY, F::from_raw(F::TYPE_64.as_raw() | F::WITH_AVAILABILITY.as_raw())];

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    // SAFETY: a valid physical device.
    let families = unsafe { gpu.instance.get_physical_device_queue_family_properties(gpu.physical) };
    let bits = families[gpu.family as usize].timestamp_valid_bits;
    if bits == 0 {
        return Ok(Outcome::LeftOut("the queue has no timestamps"));
    }
    let most = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(QUERIES);
    let copies = gpu.buffer(QUERIES as usize * STRIDE)?;
    for round in 0..8 * times as usize {
        // SAFETY: a valid device; the pool is destroyed after its last use.
        unsafe {
            let pool = gpu.device.create_query_pool(&info, None)?;
            gpu.device.reset_query_pool(pool, 0, QUERIES);
            let stage = vk::PipelineStageFlags::ALL_COMMANDS;
            gpu.run(|cmd| (0..QUERIES).for_each(|i| gpu.device.cmd_write_timestamp(cmd, stage, pool, i)))?;
            // Each form is the first one that is asked for in some round.
            let mut asked = FORMS.map(|form| (form, Vec::new()));
            asked.rotate_left(round % FORMS.len());
            for (form, results) in &mut asked {
                *results = by_the_program(&gpu, pool, *form)?;
            }
            let wide = asked.iter().find(|(form, _)| *form == F::TYPE_64).map(|(_, r)| r.clone());
            let wide = wide.unwrap_or_default();
            ensure!(wide.is_sorted() && wide.iter().all(|t| (1..=most).contains(t)), "of {bits} bits: {wide:?}");
            for (form, results) in &asked {
                agree(&wide, results, *form, "asked for")?;
                agree(&wide, &by_the_program(&gpu, pool, *form)?, *form, "asked for again")?;
                agree(&wide, &by_a_copy(&gpu, pool, *form, &copies)?, *form, "copied")?;
            }
            gpu.device.destroy_query_pool(pool, None);
        }
    }
    gpu.free(copies);
    Ok(Outcome::Passed)
}

/// What each query gives in memory that the driver fills.
fn by_the_program(gpu: &Gpu, pool: vk::QueryPool, form: F) -> Result<Vec<u64>> {
    let mut memory = [[u64::MAX; STRIDE / 2]; QUERIES as usize];
    // SAFETY: a valid pool, and room for each query.
    unsafe { gpu.device.get_query_pool_results(pool, 0, &mut memory, form)? };
    let words = memory.iter().map(|row| row.iter().flat_map(|w| [*w as u32, (*w >> 32) as u32]).collect());
    values(words, form)
}

/// What each query gives in a buffer that the device fills.
fn by_a_copy(gpu: &Gpu, pool: vk::QueryPool, form: F, to: &Buffer) -> Result<Vec<u64>> {
    to.fill(|_| u32::MAX);
    gpu.run(|cmd| {
        // SAFETY: recording; inside of the buffer.
        unsafe {
            let stride = STRIDE as u64 * 4;
            gpu.device.cmd_copy_query_pool_results(cmd, pool, 0, QUERIES, to.buffer, 0, stride, form | F::WAIT)
        };
        gpu.barrier(cmd);
    })?;
    let rows = (0..QUERIES as usize).map(|i| (0..STRIDE).map(|word| to.get(i * STRIDE + word)).collect());
    values(rows, form)
}

/// The values in rows of words; fails unless each says that it is available, where that was asked for, and nothing else was written.
fn values(rows: impl Iterator<Item = Vec<u32>>, form: F) -> Result<Vec<u64>> {
    let width = if form.contains(F::TYPE_64) { 2 } else { 1 };
    let rows = rows.map(|row| {
        let number = |words: &[u32]| words.iter().rev().fold(0, |n, w| n << 32 | u64::from(*w));
        let (value, rest) = row.split_at(width);
        let (available, gap) = rest.split_at(if form.contains(F::WITH_AVAILABILITY) { width } else { 0 });
        ensure!(available.is_empty() || number(available) == 1, "flags {form:?}: an availability of {available:?}");
        ensure!(gap.iter().all(|w| *w == u32::MAX), "flags {form:?} reach too far: {row:x?}");
        Ok(number(value))
    });
    rows.collect()
}

/// Narrow results are the wide ones, wrapped or saturated (Vulkan specification, "Query Operation").
fn agree(wide: &[u64], results: &[u64], form: F, how: &str) -> Result<()> {
    let narrow = |value: u64| [value & u64::from(u32::MAX), value.min(u64::from(u32::MAX))];
    let same = |(w, r): (&u64, &u64)| if form.contains(F::TYPE_64) { w == r } else { narrow(*w).contains(r) };
    ensure!(
        wide.len() == results.len() && wide.iter().zip(results).all(same),
        "{wide:?} are {results:?} {how}: {form:?}"
    );
    Ok(())
}

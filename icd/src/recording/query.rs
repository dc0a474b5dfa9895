//! VkQueryPool: results, and what is known of them.
//!
//! A result that is there stays until its query is reset, so it is kept and read again without asking the host. That holds
//! only where every submission that resets the pool is known to have ended: before, a result read may be the one from before the reset.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::chain::slice;
use crate::base::forwarding::result_of;
use crate::base::object;
use crate::base::progress::Submission;
use crate::base::slab::Slab;
use crate::generated::{forward, record};
use crate::recording::{command_buffer, event_wait};

/// What is known of a query pool. Reading it takes no lock.
struct Pool {
    /// Values of each query; 0 where nothing is kept.
    values: usize,
    /// Whether a query's values are known, and the values of all queries, one after the other.
    known: Box<[AtomicBool]>,
    results: Box<[AtomicU64]>,
    resets: Mutex<Resets>,
}

#[derive(Default)]
struct Resets {
    /// Submissions that reset queries and aren't known to have ended.
    pending: Vec<Submission>,
    /// Counts resets.
    generation: u64,
}

/// Values of larger pools aren't kept.
const KEPT: usize = 1 << 16;

static POOLS: Slab<Pool> = Slab::new(13);

/// Values that one query of this kind gives (Vulkan specification, "Query Pools").
fn values(info: &vk::QueryPoolCreateInfo) -> usize {
    match info.query_type {
        vk::QueryType::OCCLUSION | vk::QueryType::TIMESTAMP => 1,
        vk::QueryType::PIPELINE_STATISTICS => info.pipeline_statistics.as_raw().count_ones() as usize,
        _ => 0,
    }
}

impl Pool {
    fn new(values: usize, count: usize) -> Self {
        let all = values.checked_mul(count).filter(|n| *n <= KEPT);
        let (values, count, all) = all.map_or((0, 0, 0), |all| (values, count, all));
        Self {
            values,
            known: (0..count).map(|_| AtomicBool::new(false)).collect(),
            results: (0..all).map(|_| AtomicU64::new(0)).collect(),
            resets: Mutex::default(),
        }
    }

    /// Queries were reset, or will be by a submission that is about to be sent.
    fn forget(&self, by: Option<Submission>) {
        let mut resets = self.resets.lock();
        for k in &self.known {
            k.store(false, Ordering::Release);
        }
        resets.generation += 1;
        if let Some(submission) = by {
            resets.pending.retain(|r| !r.same_queue(&submission));
            resets.pending.push(submission);
        }
    }

    /// The generation whose results may be kept, if there is one now.
    fn settled(&self) -> Option<u64> {
        let mut resets = self.resets.lock();
        resets.pending.retain(|r| !r.ended());
        resets.pending.is_empty().then_some(resets.generation)
    }

    /// Keeps results that the host gave for `generation`, all of them available, one query every `stride` bytes of `data`.
    unsafe fn keep(&self, generation: u64, queries: Range<usize>, data: *const u8, stride: usize) {
        let resets = self.resets.lock();
        if resets.generation != generation || self.values == 0 {
            return;
        }
        let slots = self.known.iter().zip(self.results.chunks_exact(self.values));
        for (i, (known, to)) in slots.skip(queries.start).take(queries.len()).enumerate() {
            for (v, to) in to.iter().enumerate() {
                // SAFETY: the caller's array, filled by the command, aligned to 8 by valid usage.
                to.store(unsafe { data.add(i * stride).cast::<u64>().add(v).read() }, Ordering::Relaxed);
            }
            known.store(true, Ordering::Release);
        }
    }

    /// The value of a query that gives one, if it is known.
    #[inline]
    fn one(&self, query: u32) -> Option<u64> {
        let known = self.values == 1 && self.known.get(query as usize)?.load(Ordering::Acquire);
        if known { Some(self.results.get(query as usize)?.load(Ordering::Relaxed)) } else { None }
    }

    /// Answers from what is known; false if something isn't.
    unsafe fn answer(&self, queries: Range<usize>, data: *mut u8, stride: usize, flags: vk::QueryResultFlags) -> bool {
        let Some(known) = self.known.get(queries.clone()) else { return false };
        if !known.iter().all(|k| k.load(Ordering::Acquire)) {
            return false;
        }
        let results = self.results.get(queries.start * self.values..queries.end * self.values).unwrap_or_default();
        let wide = flags.contains(vk::QueryResultFlags::TYPE_64);
        let available = flags.contains(vk::QueryResultFlags::WITH_AVAILABILITY).then_some(1u64);
        for (i, values) in results.chunks_exact(self.values.max(1)).enumerate() {
            for (v, value) in values.iter().map(|v| v.load(Ordering::Relaxed)).chain(available).enumerate() {
                // SAFETY: the caller's array has room for each query's values and availability at its place, aligned
                // to their size, by valid usage.
                unsafe {
                    let to = data.add(i * stride);
                    if wide {
                        to.cast::<u64>().add(v).write(value)
                    } else {
                        to.cast::<u32>().add(v).write(value as u32)
                    }
                }
            }
        }
        true
    }
}

pub unsafe fn create_query_pool(
    device: vk::Device,
    info: *const vk::QueryPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::QueryPool,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let pool = Pool::new(values(&*info), (*info).query_count as usize);
        let Some(id) = POOLS.insert(pool) else {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        };
        *to = vk::QueryPool::from_raw(id);
        let result = result_of(object::get(device).connection().call(
            reply::create_query_pool_size(device, info, allocator, to),
            |w| request::create_query_pool(w, 1, device, info, allocator, to),
            |r| reply::create_query_pool(r, device, info, allocator, to),
        ));
        if result != vk::Result::SUCCESS {
            POOLS.remove(vk::QueryPool::from_raw(id));
            *to = vk::QueryPool::null();
        }
        result
    }
}

pub unsafe fn destroy_query_pool(device: vk::Device, pool: vk::QueryPool, allocator: *const vk::AllocationCallbacks) {
    if POOLS.remove(pool).is_some() {
        // SAFETY: by valid usage.
        unsafe { forward::destroy_query_pool(device, pool, allocator) };
    }
}

pub unsafe fn reset_query_pool(device: vk::Device, pool: vk::QueryPool, first: u32, n: u32) {
    if let Some(p) = POOLS.get(pool) {
        p.forget(None);
    }
    // SAFETY: by valid usage.
    unsafe { forward::reset_query_pool(device, pool, first, n) };
}

pub unsafe fn cmd_reset_query_pool(command_buffer: vk::CommandBuffer, pool: vk::QueryPool, first: u32, n: u32) {
    // SAFETY: by valid usage.
    unsafe {
        command_buffer::note_reset(command_buffer, pool);
        record::cmd_reset_query_pool(command_buffer, pool, first, n);
    }
}

pub unsafe fn get_query_pool_results(
    device: vk::Device,
    pool: vk::QueryPool,
    first: u32,
    n: u32,
    size: usize,
    data: *mut c_void,
    stride: vk::DeviceSize,
    flags: vk::QueryResultFlags,
) -> vk::Result {
    use vk::QueryResultFlags as F;
    let found = POOLS.get(pool);
    // Most read one timestamp at a time.
    if n == 1
        && flags == F::TYPE_64
        && let Some(value) = found.and_then(|p| p.one(first))
    {
        // SAFETY: the caller's array has room for one value, aligned to it, by valid usage.
        unsafe { data.cast::<u64>().write(value) };
        return vk::Result::SUCCESS;
    }
    let kept = found.filter(|p| p.values > 0 && n > 0);
    let queries = first as usize..(first as usize).saturating_add(n as usize);
    let mut generation = None;
    // With other flags the values would have to be told apart.
    if let Some(p) = kept
        && (flags & !(F::TYPE_64 | F::WAIT | F::WITH_AVAILABILITY | F::PARTIAL)).is_empty()
    {
        // SAFETY: by valid usage.
        if unsafe { p.answer(queries.clone(), data.cast(), stride as usize, flags) } {
            return vk::Result::SUCCESS;
        }
        generation = p.settled();
    }
    // SAFETY: by valid usage.
    let result = unsafe { ask(device, pool, first, n, size, data, stride, flags) };
    // Success without PARTIAL says that all are there; narrow values aren't the whole ones.
    if let (Some(p), Some(generation), vk::Result::SUCCESS) = (kept, generation, result)
        && flags.contains(F::TYPE_64)
        && !flags.contains(F::PARTIAL)
    {
        // SAFETY: the host has filled the caller's array.
        unsafe { p.keep(generation, queries, data.cast(), stride as usize) };
    }
    result
}

/// Asks the host, again and again where the program wants to wait.
unsafe fn ask(
    device: vk::Device,
    pool: vk::QueryPool,
    first: u32,
    n: u32,
    size: usize,
    data: *mut c_void,
    stride: vk::DeviceSize,
    flags: vk::QueryResultFlags,
) -> vk::Result {
    use vk::QueryResultFlags as F;
    // The host must not wait inside its ring: what the results depend on may have to come through the same ring. A
    // partial result would count as success, so it isn't asked for while waiting.
    let wait = flags.contains(F::WAIT);
    let asked = if wait { flags & !(F::WAIT | F::PARTIAL) } else { flags };
    let mut pause = Duration::from_micros(20);
    loop {
        // SAFETY: by valid usage.
        let result = unsafe { forward::get_query_pool_results(device, pool, first, n, size, data, stride, asked) };
        if !wait || result != vk::Result::NOT_READY {
            return result;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}

/// The command buffers of a submission are about to be sent.
pub unsafe fn submitting(buffers: impl Iterator<Item = vk::CommandBuffer>, submission: &Submission) {
    for c in buffers {
        // SAFETY: by valid usage of the submission.
        for pool in unsafe { command_buffer::resets(c) }.iter().filter_map(|pool| POOLS.get(*pool)) {
            pool.forget(Some(submission.clone()));
        }
    }
}

pub unsafe fn cmd_execute_commands(command_buffer: vk::CommandBuffer, n: u32, secondaries: *const vk::CommandBuffer) {
    // SAFETY: by valid usage.
    unsafe {
        for s in slice(secondaries, n) {
            if event_wait::waits(*s) {
                event_wait::note(command_buffer);
            }
            for pool in command_buffer::resets(*s) {
                command_buffer::note_reset(command_buffer, *pool);
            }
        }
        record::cmd_execute_commands(command_buffer, n, secondaries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_results_are_laid_out_as_asked() {
        use vk::QueryResultFlags as F;
        let pool = Pool::new(1, 4);
        let given = [10u64, 1, 20, 1];
        // SAFETY: arrays of the sizes that are told.
        unsafe {
            let generation = pool.settled().unwrap();
            pool.keep(generation, 2..4, given.as_ptr().cast(), 16);
            let mut to = [0u32; 4];
            assert!(pool.answer(2..4, to.as_mut_ptr().cast(), 8, F::WITH_AVAILABILITY));
            assert_eq!(to, [10, 1, 20, 1]);
            let mut to = [0u64; 1];
            assert!(pool.answer(3..4, to.as_mut_ptr().cast(), 8, F::TYPE_64));
            assert_eq!(to, [20]);
            assert!(!pool.answer(1..2, to.as_mut_ptr().cast(), 8, F::TYPE_64), "never asked for");
            assert!(!pool.answer(3..5, to.as_mut_ptr().cast(), 8, F::TYPE_64), "more than there are");
            pool.forget(None);
            assert!(!pool.answer(3..4, to.as_mut_ptr().cast(), 8, F::TYPE_64));
            pool.keep(generation, 2..4, given.as_ptr().cast(), 16);
            assert!(!pool.answer(3..4, to.as_mut_ptr().cast(), 8, F::TYPE_64), "from before the reset");
        }
        assert_eq!(Pool::new(11, usize::MAX).values, 0, "a pool that is too large to be kept");
    }
}

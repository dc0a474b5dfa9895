//! VkQueryPool, and the results of its queries that are known.
//!
//! A result that is there stays until its query is reset, so it is kept and read again without asking the host. That holds
//! only where every submission that resets the pool is known to have ended: before, a result read may be the one from before the reset.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::forwarding::result_of;
use crate::base::object;
use crate::base::progress::Submission;
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;

/// What is known of a query pool. Reading it takes no lock.
pub struct Pool {
    /// Values of each query; 0 where that isn't known.
    pub values: usize,
    /// Whether a query's values are known, and the values of all queries, one after the other. Both are empty where none are kept.
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

static POOLS: Slab<Pool> = Slab::new(Kind::QueryPool);

/// The pool with this handle.
pub fn pool(handle: vk::QueryPool) -> Option<&'static Pool> {
    POOLS.get(handle)
}

/// Values that one query of this kind gives (Vulkan specification, "Query Pools"), or 0 where that depends on more than the kind.
fn values(info: &vk::QueryPoolCreateInfo) -> usize {
    use vk::QueryType as T;
    match info.query_type {
        T::PIPELINE_STATISTICS => info.pipeline_statistics.as_raw().count_ones() as usize,
        T::TRANSFORM_FEEDBACK_STREAM_EXT => 2,
        T::OCCLUSION
        | T::TIMESTAMP
        | T::PRIMITIVES_GENERATED_EXT
        | T::MESH_PRIMITIVES_GENERATED_EXT
        | T::ACCELERATION_STRUCTURE_COMPACTED_SIZE_KHR
        | T::ACCELERATION_STRUCTURE_SERIALIZATION_SIZE_KHR
        | T::ACCELERATION_STRUCTURE_SERIALIZATION_BOTTOM_LEVEL_POINTERS_KHR
        | T::ACCELERATION_STRUCTURE_SIZE_KHR => 1,
        _ => 0,
    }
}

impl Pool {
    /// What is known of a new pool of `count` queries with `values` values each.
    pub fn new(values: usize, count: usize) -> Self {
        let all = values.checked_mul(count).filter(|n| *n <= KEPT).unwrap_or(0);
        let kept = if all > 0 { count } else { 0 };
        Self {
            values,
            known: (0..kept).map(|_| AtomicBool::new(false)).collect(),
            results: (0..all).map(|_| AtomicU64::new(0)).collect(),
            resets: Mutex::default(),
        }
    }

    /// Queries were reset, or will be by a submission that is about to be sent.
    pub fn forget(&self, by: Option<Submission>) {
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
    pub fn settled(&self) -> Option<u64> {
        let mut resets = self.resets.lock();
        resets.pending.retain(|r| !r.ended());
        resets.pending.is_empty().then_some(resets.generation)
    }

    /// Keeps results that the host gave for `generation`: those of `queries` one after the other, or none where they aren't available.
    pub fn keep<'r>(&self, generation: u64, queries: Range<usize>, given: impl Iterator<Item = Option<&'r [u64]>>) {
        let resets = self.resets.lock();
        if resets.generation != generation || self.values == 0 {
            return;
        }
        let slots = self.known.iter().zip(self.results.chunks_exact(self.values));
        for ((known, to), given) in slots.skip(queries.start).take(queries.len()).zip(given) {
            let Some(given) = given else { continue };
            for (to, value) in to.iter().zip(given) {
                to.store(*value, Ordering::Relaxed);
            }
            known.store(true, Ordering::Release);
        }
    }

    /// The value of a query that gives one, if it is known.
    #[inline]
    pub fn one(&self, query: u32) -> Option<u64> {
        let known = self.values == 1 && self.known.get(query as usize)?.load(Ordering::Acquire);
        if known { Some(self.results.get(query as usize)?.load(Ordering::Relaxed)) } else { None }
    }

    /// The values of some queries, one after the other, if all are known.
    pub fn all(&self, queries: Range<usize>) -> Option<impl Iterator<Item = u64> + Clone> {
        if !self.known.get(queries.clone())?.iter().all(|k| k.load(Ordering::Acquire)) {
            return None;
        }
        let results = self.results.get(queries.start * self.values..queries.end * self.values)?;
        Some(results.iter().map(|v| v.load(Ordering::Relaxed)))
    }
}

pub unsafe fn create_query_pool(
    device: vk::Device,
    info: *const vk::QueryPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::QueryPool,
) -> vk::Result {
    // SAFETY: a valid struct, by valid usage.
    let (values, count) = unsafe { (values(&*info), (*info).query_count as usize) };
    let Some(id) = POOLS.insert(Pool::new(values, count)) else {
        return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
    };
    let mut pool = vk::QueryPool::from_raw(id);
    let named = &raw mut pool;
    // SAFETY: a valid device, by valid usage.
    let connection = unsafe { object::get(device) }.connection();
    // SAFETY: encodes and decodes valid structs and a local.
    let result = result_of(unsafe {
        connection.call(
            reply::create_query_pool_size(device, info, allocator, named),
            |w| request::create_query_pool(w, 1, device, info, allocator, named),
            |r| reply::create_query_pool(r, device, info, allocator, named),
        )
    });
    pool = vk::QueryPool::from_raw(id);
    if result != vk::Result::SUCCESS {
        POOLS.remove(pool);
        pool = vk::QueryPool::null();
    }
    // SAFETY: room for one handle, by valid usage.
    unsafe { to.write(pool) };
    result
}

pub unsafe fn destroy_query_pool(device: vk::Device, pool: vk::QueryPool, allocator: *const vk::AllocationCallbacks) {
    if POOLS.remove(pool).is_some() {
        // SAFETY: handed on.
        unsafe { forward::destroy_query_pool(device, pool, allocator) };
    }
}

pub unsafe fn reset_query_pool(device: vk::Device, pool: vk::QueryPool, first: u32, n: u32) {
    if let Some(p) = POOLS.get(pool) {
        p.forget(None);
    }
    // SAFETY: handed on.
    unsafe { forward::reset_query_pool(device, pool, first, n) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(pool: &Pool, queries: Range<usize>) -> Option<Vec<u64>> {
        pool.all(queries).map(Iterator::collect)
    }

    #[test]
    fn results_are_known_until_a_reset() {
        let pool = Pool::new(1, 4);
        let generation = pool.settled().unwrap();
        let keep = |generation| pool.keep(generation, 1..4, [None, Some(&[10u64][..]), Some(&[20])].into_iter());
        keep(generation);
        assert_eq!(known(&pool, 2..4), Some(vec![10, 20]));
        assert_eq!((pool.one(3), pool.one(1), pool.one(4)), (Some(20), None, None));
        assert_eq!(known(&pool, 1..3), None, "not available");
        assert_eq!(known(&pool, 3..5), None, "more than there are");
        pool.forget(None);
        assert_eq!((known(&pool, 3..4), pool.one(3)), (None, None));
        keep(generation);
        assert_eq!(known(&pool, 3..4), None, "from before the reset");
    }

    #[test]
    fn large_pools_are_not_kept() {
        for pool in [Pool::new(11, usize::MAX), Pool::new(1, KEPT + 1), Pool::new(0, 3)] {
            pool.keep(0, 0..1, [Some(&[1u64; 11][..])].into_iter());
            assert_eq!((known(&pool, 0..1), pool.one(0)), (None, None));
        }
        assert_eq!(Pool::new(11, usize::MAX).values, 11);
    }

    #[test]
    fn queries_have_as_many_values_as_their_kind_says() {
        let of = |kind| values(&vk::QueryPoolCreateInfo::default().query_type(kind));
        assert_eq!(of(vk::QueryType::TIMESTAMP), 1);
        assert_eq!(of(vk::QueryType::TRANSFORM_FEEDBACK_STREAM_EXT), 2);
        assert_eq!(of(vk::QueryType::PERFORMANCE_QUERY_KHR), 0, "as many as counters are asked for");
        let statistics = vk::QueryPipelineStatisticFlags::from_raw(0b1011);
        let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::PIPELINE_STATISTICS);
        assert_eq!(values(&info.pipeline_statistics(statistics)), 3);
    }
}

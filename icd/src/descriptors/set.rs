//! VkDescriptorPool and VkDescriptorSet.
//!
//! An allocation that the pool has promised doesn't wait for the host. What came of it is looked at later: where the host has failed nonetheless,
//! for want of memory, it doesn't know the sets, and the context ends ([`outcomes`](crate::base::outcomes)). The switch `no-pool-counts` has
//! the host decide each time.

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::chain::{find, slice};
use crate::base::forwarding::{done, post, result_of};
use crate::base::members::Members;
use crate::base::slab::{Kind, Slab};
use crate::base::{object, settings};
use crate::descriptors::layout::{Immutable, layout};
use crate::descriptors::needs::Share;
use crate::descriptors::pool_count::{Outlook, PoolCount};
use crate::generated::forward;

/// What is known of a set.
struct Set {
    /// The bindings that have immutable samplers, if any have.
    immutable: Option<Immutable>,
    share: Share,
}

/// What is known of a pool.
struct Pool {
    sets: Members<vk::DescriptorSet>,
    /// `None` where the host decides. Pools are externally synchronised, so nobody waits for the lock.
    count: Option<Mutex<PoolCount>>,
}

static SETS: Slab<Set> = Slab::new(Kind::DescriptorSet);
static POOLS: Slab<Pool> = Slab::new(Kind::DescriptorPool);

/// Whether a binding of a set has immutable samplers.
pub fn immutable(set: vk::DescriptorSet, binding: u32) -> bool {
    SETS.get(set).and_then(|s| s.immutable.as_ref()).is_some_and(|i| i.contains(&binding))
}

pub unsafe fn create_descriptor_pool(
    device: vk::Device,
    info: *const vk::DescriptorPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DescriptorPool,
) -> vk::Result {
    // SAFETY: the create info of vkCreateDescriptorPool.
    let count = settings::get().pool_counts.then(|| Mutex::new(unsafe { PoolCount::of(&*info) }));
    // SAFETY: `to` is the output parameter, `info` as above.
    unsafe {
        POOLS.create(Pool { sets: Members::default(), count }, to, || {
            done(post(device, |w| request::create_descriptor_pool(w, 0, device, info, allocator, to)))
        })
    }
}

/// The sets that were allocated from a pool and not freed.
pub fn allocated_from(pool: vk::DescriptorPool) -> Vec<vk::DescriptorSet> {
    POOLS.get(pool).map(|p| p.sets.all()).unwrap_or_default()
}

fn forget(sets: impl IntoIterator<Item = vk::DescriptorSet>) {
    for s in sets {
        SETS.remove(s);
    }
}

pub unsafe fn destroy_descriptor_pool(
    device: vk::Device,
    pool: vk::DescriptorPool,
    allocator: *const vk::AllocationCallbacks,
) {
    if let Some(p) = POOLS.remove(pool) {
        forget(p.sets.take());
        // SAFETY: the device's pool, which was alive until now and which nothing uses any more.
        unsafe { forward::destroy_descriptor_pool(device, pool, allocator) };
    }
}

pub unsafe fn reset_descriptor_pool(
    device: vk::Device,
    pool: vk::DescriptorPool,
    flags: vk::DescriptorPoolResetFlags,
) -> vk::Result {
    if let Some(p) = POOLS.get(pool) {
        forget(p.sets.take());
        if let Some(count) = &p.count {
            count.lock().reset();
        }
    }
    // SAFETY: the device's pool, whose sets nothing uses any more (vkResetDescriptorPool).
    unsafe { forward::reset_descriptor_pool(device, pool, flags) }
}

/// Keeps what is known of the sets that an allocation is about, and returns their handles.
///
/// # Errors
/// ERROR_UNKNOWN for a layout that isn't there, ERROR_OUT_OF_HOST_MEMORY when there are too many sets.
///
/// # Safety
/// A valid info.
unsafe fn keep(info: &vk::DescriptorSetAllocateInfo<'_>) -> Result<Vec<vk::DescriptorSet>, vk::Result> {
    // SAFETY: the info's array and the one in its chain, each of its length.
    let (layouts, numbers) = unsafe {
        let numbers = find::<vk::DescriptorSetVariableDescriptorCountAllocateInfo<'_>>(info.p_next);
        let numbers = numbers.map(|n| slice(n.p_descriptor_counts, n.descriptor_set_count)).unwrap_or_default();
        (slice(info.p_set_layouts, info.descriptor_set_count), numbers)
    };
    let mut handles = Vec::with_capacity(layouts.len());
    for (i, handle) in layouts.iter().enumerate() {
        let set = layout(*handle).ok_or(vk::Result::ERROR_UNKNOWN).map(|known| {
            let share = Share::new(known.needs.clone(), numbers.get(i).copied().unwrap_or(0));
            Set { immutable: known.immutable.clone(), share }
        });
        match set.and_then(|set| SETS.insert(set).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY)) {
            Ok(id) => handles.push(vk::DescriptorSet::from_raw(id)),
            Err(e) => {
                forget(handles);
                return Err(e);
            }
        }
    }
    Ok(handles)
}

/// Has the host allocate sets with these handles, and waits for its answer unless the pool has promised them.
///
/// # Safety
/// The parameters of vkAllocateDescriptorSets, and a handle for each set.
unsafe fn tell(
    device: vk::Device,
    info: *const vk::DescriptorSetAllocateInfo,
    handles: &[vk::DescriptorSet],
    promised: bool,
) -> vk::Result {
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    if promised {
        let named = handles.as_ptr().cast_mut();
        // SAFETY: encodes the command's own struct and the handles, which encoding only reads.
        return done(unsafe {
            let size = reply::allocate_descriptor_sets_size(device, info, named);
            connection.post_for_outcome("vkAllocateDescriptorSets", size, |w, flags| {
                request::allocate_descriptor_sets(w, flags, device, info, named);
            })
        });
    }
    // The reply echoes handles, and null where there is no set.
    let mut echoed = handles.to_vec();
    let named = echoed.as_mut_ptr();
    // SAFETY: encodes the command's own struct and the handles, and decodes into `echoed`, which has a place for each set.
    result_of(unsafe {
        connection.call(
            reply::allocate_descriptor_sets_size(device, info, named),
            |w| request::allocate_descriptor_sets(w, 1, device, info, named),
            |r| reply::allocate_descriptor_sets(r, device, info, named),
        )
    })
}

/// Allocates sets.
///
/// # Errors
/// As vkAllocateDescriptorSets.
///
/// # Safety
/// A valid device and info.
unsafe fn allocate(
    device: vk::Device,
    info: &vk::DescriptorSetAllocateInfo<'_>,
) -> Result<Vec<vk::DescriptorSet>, vk::Result> {
    let pool = POOLS.get(info.descriptor_pool).ok_or(vk::Result::ERROR_UNKNOWN)?;
    // SAFETY: valid by contract.
    let handles = unsafe { keep(info)? };
    let shares = || handles.iter().filter_map(|h| SETS.get(*h)).map(|set| &set.share);
    let outlook = pool.count.as_ref().map_or(Outlook::Open, |count| count.lock().take(shares()));
    let result = match outlook {
        Outlook::Exceeding => vk::Result::ERROR_OUT_OF_POOL_MEMORY,
        // SAFETY: valid by contract.
        _ => unsafe { tell(device, info, &handles, outlook == Outlook::Promised) },
    };
    if result == vk::Result::SUCCESS {
        pool.sets.add(&handles);
        return Ok(handles);
    }
    if let Some(count) = pool.count.as_ref().filter(|_| outlook != Outlook::Exceeding) {
        count.lock().refuse(shares());
    }
    forget(handles);
    Err(result)
}

pub unsafe fn allocate_descriptor_sets(
    device: vk::Device,
    info: *const vk::DescriptorSetAllocateInfo,
    to: *mut vk::DescriptorSet,
) -> vk::Result {
    // SAFETY: the info of vkAllocateDescriptorSets.
    let (made, n) = unsafe { (allocate(device, &*info), (*info).descriptor_set_count as usize) };
    match made {
        Ok(handles) => {
            // SAFETY: the output array has room for as many sets as were asked for, which were made.
            unsafe { to.copy_from_nonoverlapping(handles.as_ptr(), n.min(handles.len())) };
            vk::Result::SUCCESS
        }
        Err(result) => {
            for i in 0..n {
                // SAFETY: as above.
                unsafe { to.add(i).write(vk::DescriptorSet::null()) };
            }
            result
        }
    }
}

pub unsafe fn free_descriptor_sets(
    device: vk::Device,
    pool: vk::DescriptorPool,
    n: u32,
    sets: *const vk::DescriptorSet,
) -> vk::Result {
    // SAFETY: the array of vkFreeDescriptorSets, of this length.
    let list = unsafe { slice(sets, n) };
    if list.is_empty() {
        return vk::Result::SUCCESS;
    }
    if let Some(p) = POOLS.get(pool) {
        p.sets.remove(list);
        let mut count = p.count.as_ref().map(Mutex::lock);
        for set in list.iter().filter_map(|s| SETS.remove(*s)) {
            if let Some(count) = &mut count {
                count.free(&set.share);
            }
        }
    }
    // SAFETY: the device's pool and sets of it, or null, which nothing uses any more.
    unsafe { forward::free_descriptor_sets(device, pool, n, sets) }
}

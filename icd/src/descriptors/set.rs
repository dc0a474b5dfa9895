//! VkDescriptorSetLayout, VkDescriptorPool and VkDescriptorSet.

use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};

use crate::base::chain::slice;
use crate::base::forwarding::{done, post, result_of};
use crate::base::members::Members;
use crate::base::object;
use crate::base::slab::{Slab, fresh_id};
use crate::generated::forward;

/// The bindings of a layout that have immutable samplers: what updates name there is ignored.
pub type Immutable = Arc<[u32]>;

/// Layouts and sets that have some; of others nothing is known here.
static LAYOUTS: Slab<Immutable> = Slab::new(5);
static SETS: Slab<Immutable> = Slab::new(6);
/// The sets of each pool, by id.
static POOLS: Slab<Members<vk::DescriptorSet>> = Slab::new(9);

const FULL: vk::Result = vk::Result::ERROR_OUT_OF_HOST_MEMORY;

/// Whether a binding of a set has immutable samplers.
pub fn immutable(set: vk::DescriptorSet, binding: u32) -> bool {
    SETS.get(set).is_some_and(|i| i.contains(&binding))
}

/// The bindings of a layout that have immutable samplers, if there are any.
pub fn immutable_of(layout: vk::DescriptorSetLayout) -> Option<&'static Immutable> {
    LAYOUTS.get(layout)
}

pub unsafe fn create_descriptor_set_layout(
    device: vk::Device,
    info: *const vk::DescriptorSetLayoutCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DescriptorSetLayout,
) -> vk::Result {
    use vk::DescriptorType as T;
    // With other types the pointer is ignored and may be anything.
    let samples = |b: &vk::DescriptorSetLayoutBinding<'_>| {
        matches!(b.descriptor_type, T::SAMPLER | T::COMBINED_IMAGE_SAMPLER) && !b.p_immutable_samplers.is_null()
    };
    // SAFETY: the create info of vkCreateDescriptorSetLayout, and its array of this length.
    let bindings = unsafe { slice((*info).p_bindings, (*info).binding_count) };
    let mut immutable = bindings.iter().filter(|b| samples(b)).map(|b| b.binding).peekable();
    let immutable = immutable.peek().is_some().then(|| immutable.collect());
    // SAFETY: `to` is the output parameter; what is encoded is the command's own parameters.
    unsafe {
        LAYOUTS.create_if(immutable, to, || {
            done(post(device, |w| request::create_descriptor_set_layout(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_descriptor_set_layout(
    device: vk::Device,
    layout: vk::DescriptorSetLayout,
    allocator: *const vk::AllocationCallbacks,
) {
    if layout == vk::DescriptorSetLayout::null() {
        return;
    }
    LAYOUTS.remove(layout);
    // SAFETY: a layout of this device, which nothing uses any more.
    unsafe { forward::destroy_descriptor_set_layout(device, layout, allocator) };
}

pub unsafe fn create_descriptor_pool(
    device: vk::Device,
    info: *const vk::DescriptorPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DescriptorPool,
) -> vk::Result {
    // SAFETY: `to` is the output parameter of vkCreateDescriptorPool, `info` its create info.
    unsafe {
        POOLS.create(Members::default(), to, || {
            done(post(device, |w| request::create_descriptor_pool(w, 0, device, info, allocator, to)))
        })
    }
}

/// The sets that were allocated from a pool and not freed.
pub fn allocated_from(pool: vk::DescriptorPool) -> Vec<vk::DescriptorSet> {
    POOLS.get(pool).map(Members::all).unwrap_or_default()
}

fn forget_sets(sets: Vec<vk::DescriptorSet>) {
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
        forget_sets(p.take());
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
        forget_sets(p.take());
    }
    // SAFETY: the device's pool, whose sets nothing uses any more (vkResetDescriptorPool).
    unsafe { forward::reset_descriptor_pool(device, pool, flags) }
}

pub unsafe fn allocate_descriptor_sets(
    device: vk::Device,
    info: *const vk::DescriptorSetAllocateInfo,
    to: *mut vk::DescriptorSet,
) -> vk::Result {
    // SAFETY: the info of vkAllocateDescriptorSets, and its array of this length.
    let (layouts, pool) =
        unsafe { (slice((*info).p_set_layouts, (*info).descriptor_set_count), (*info).descriptor_pool) };
    let mut made = Vec::with_capacity(layouts.len());
    for l in layouts {
        match immutable_of(*l).map_or_else(|| Some(fresh_id()), |immutable| SETS.insert(immutable.clone())) {
            Some(id) => made.push(vk::DescriptorSet::from_raw(id)),
            None => {
                forget_sets(made);
                return FULL;
            }
        }
    }
    // The reply echoes ids, and null where there is no set.
    let mut sent = made.clone();
    let out = sent.as_mut_ptr();
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    // The host's pool may be full or fragmented, and says so only in a reply.
    // SAFETY: encodes the command's own struct and decodes into `sent`, which has a place for each set.
    let result = result_of(unsafe {
        connection.call(
            reply::allocate_descriptor_sets_size(device, info, out),
            |w| request::allocate_descriptor_sets(w, 1, device, info, out),
            |r| reply::allocate_descriptor_sets(r, device, info, out),
        )
    });
    for (i, s) in made.iter().enumerate() {
        let set = if result == vk::Result::SUCCESS { *s } else { vk::DescriptorSet::null() };
        // SAFETY: the output array has room for as many sets as there are layouts.
        unsafe { to.add(i).write(set) };
    }
    match POOLS.get(pool) {
        Some(p) if result == vk::Result::SUCCESS => p.add(&made),
        _ => forget_sets(made),
    }
    result
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
        p.remove(list);
    }
    forget_sets(list.to_vec());
    // SAFETY: the device's pool and sets of it, or null, which nothing uses any more.
    unsafe { forward::free_descriptor_sets(device, pool, n, sets) }
}

//! VkCommandPool, and the command buffers allocated from one.

use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::{done, post, result_of};
use crate::base::in_progress::Recordings;
use crate::base::members::Members;
use crate::base::object::{self, Part, Whole};
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::pipelines::device::Device;
use crate::recording::begun::Begun;
use crate::recording::command_buffer::CommandBuffer;

/// A command pool of the program's.
struct Pool {
    /// Its command buffers, for destroying all of them.
    buffers: Members<vk::CommandBuffer>,
    /// Those that were begun since the last reset.
    begun: Arc<Begun>,
    /// Whether it has VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.
    resettable: bool,
}

static POOLS: Slab<Pool> = Slab::new(Kind::CommandPool);

/// The command buffers that were allocated from a pool and not freed.
pub fn allocated_from(pool: vk::CommandPool) -> Vec<vk::CommandBuffer> {
    POOLS.get(pool).map(|p| p.buffers.all()).unwrap_or_default()
}

pub unsafe fn create_command_pool(
    device: vk::Device,
    info: *const vk::CommandPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::CommandPool,
) -> vk::Result {
    // SAFETY: a valid struct, by valid usage.
    let flags = unsafe { (*info).flags };
    let resettable = flags.contains(vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER);
    let Some(id) = POOLS.insert(Pool { buffers: Members::default(), begun: Arc::default(), resettable }) else {
        return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
    };
    let mut pool = vk::CommandPool::from_raw(id);
    let named = &raw mut pool;
    // SAFETY: a valid device, by valid usage.
    unsafe { Device::of(device) }.recorders.note();
    // SAFETY: as above; encodes valid structs and a local.
    let sent = unsafe { post(device, |w| request::create_command_pool(w, 0, device, info, allocator, named)) };
    if sent.is_err() {
        POOLS.remove(pool);
        pool = vk::CommandPool::null();
    }
    // SAFETY: room for one handle, by valid usage.
    unsafe { to.write(pool) };
    done(sent)
}

pub unsafe fn destroy_command_pool(
    device: vk::Device,
    pool: vk::CommandPool,
    allocator: *const vk::AllocationCallbacks,
) {
    let Some(p) = POOLS.remove(pool) else { return };
    let buffers = p.buffers.take();
    // SAFETY: handles of the pool's living command buffers, which nobody uses any more.
    let dropped: Vec<_> = buffers.iter().map(|c| unsafe { CommandBuffer::of(*c).discard() }).collect();
    // SAFETY: handed on.
    unsafe { forward::destroy_command_pool(device, pool, allocator) };
    drop(dropped);
    for c in buffers {
        // SAFETY: as above; the pool's destruction frees them.
        unsafe { CommandBuffer::take(c) };
    }
}

pub unsafe fn reset_command_pool(
    device: vk::Device,
    pool: vk::CommandPool,
    flags: vk::CommandPoolResetFlags,
) -> vk::Result {
    let Some(p) = POOLS.get(pool) else { return vk::Result::ERROR_UNKNOWN };
    // SAFETY: handles of the pool's living command buffers.
    let of = |c| unsafe { CommandBuffer::of(c) };
    let begun = p.begun.take(|c| &of(c).place);
    // SAFETY: nobody uses command buffers while their pool is reset.
    let dropped: Vec<_> = begun.iter().map(|c| unsafe { of(*c).discard() }).collect();
    // SAFETY: as above.
    let sent = begun.iter().fold(false, |sent, c| unsafe { of(*c).forget_sent() } | sent);
    // Where the host has been told of no recording since the last reset, its command buffers are as that left them: every recording was held back, and then
    // forgotten (`held_copies`; with HESPER_DEBUG=no-uploads none is).
    let result = if sent || !flags.is_empty() {
        // SAFETY: handed on.
        unsafe { forward::reset_command_pool(device, pool, flags) }
    } else {
        // SAFETY: a valid device, by valid usage.
        result_of(unsafe { object::get(device) }.connection().check().map(|()| vk::Result::SUCCESS))
    };
    drop(dropped);
    result
}

pub unsafe fn allocate_command_buffers(
    device: vk::Device,
    info: *const vk::CommandBufferAllocateInfo,
    to: *mut vk::CommandBuffer,
) -> vk::Result {
    // SAFETY: a valid struct, by valid usage.
    let Some(pool) = POOLS.get(unsafe { (*info).command_pool }) else { return vk::Result::ERROR_UNKNOWN };
    // SAFETY: a valid device, by valid usage.
    let recordings = unsafe { &Device::of(device).recordings };
    // SAFETY: handed on.
    let result = unsafe { allocate(device, &*info, pool.resettable, &pool.begun, recordings, to) };
    if result == vk::Result::SUCCESS {
        // SAFETY: written by `allocate`.
        pool.buffers.add(unsafe { slice(to, (*info).command_buffer_count) });
    }
    result
}

/// Allocates command buffers from any pool of the device: one of the program's, or one of the driver's own.
///
/// # Safety
/// As for vkAllocateCommandBuffers; `resettable` tells whether the pool has VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, and `begun` are its own.
pub unsafe fn allocate(
    device: vk::Device,
    info: &vk::CommandBufferAllocateInfo<'_>,
    resettable: bool,
    begun: &Arc<Begun>,
    recordings: &Arc<Recordings>,
    to: *mut vk::CommandBuffer,
) -> vk::Result {
    // SAFETY: a valid device, by contract.
    let connection = unsafe { object::get(device) }.connection();
    let secondary = info.level == vk::CommandBufferLevel::SECONDARY;
    let make =
        || CommandBuffer::new(device, connection.clone(), secondary, resettable, begun.clone(), recordings.clone());
    let made: Vec<_> = (0..info.command_buffer_count).map(|_| Box::new(make()).into_handle()).collect();
    // SAFETY: room for that many handles, by contract.
    unsafe { to.copy_from_nonoverlapping(made.as_ptr(), made.len()) };
    // SAFETY: encodes a valid struct and the new handles.
    let sent = connection.post(|w| unsafe { request::allocate_command_buffers(w, 0, device, info, to) });
    if sent.is_err() {
        for (i, c) in made.into_iter().enumerate() {
            // SAFETY: made above, and nobody else has the handle.
            unsafe { CommandBuffer::take(c) };
            // SAFETY: as above.
            unsafe { to.add(i).write(vk::CommandBuffer::null()) };
        }
    }
    done(sent)
}

pub unsafe fn free_command_buffers(
    device: vk::Device,
    pool: vk::CommandPool,
    n: u32,
    buffers: *const vk::CommandBuffer,
) {
    // SAFETY: an array of that length, by valid usage.
    let list = unsafe { slice(buffers, n) };
    if list.is_empty() {
        return;
    }
    // SAFETY: a valid device, and handles that are null or valid.
    let _ = unsafe { post(device, |w| request::free_command_buffers(w, 0, device, pool, n, buffers)) };
    if let Some(p) = POOLS.get(pool) {
        p.buffers.remove(list);
        // SAFETY: handles of the pool's command buffers, which are alive until they are given up below.
        let of = |c: &vk::CommandBuffer| unsafe { CommandBuffer::of(*c) };
        for c in list.iter().filter(|c| **c != vk::CommandBuffer::null()) {
            p.begun.remove(&of(c).place, |c| &of(&c).place);
        }
    }
    for c in list.iter().filter(|c| **c != vk::CommandBuffer::null()) {
        // SAFETY: a valid handle of a command buffer that nobody uses any more.
        drop(unsafe { CommandBuffer::of(*c).discard() });
        // SAFETY: as above; the handle is given up.
        unsafe { CommandBuffer::take(*c) };
    }
}

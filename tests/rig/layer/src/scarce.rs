//! `HESPER_TEST_LAYER_ALLOCATIONS=<n>`: a device with room for `n` allocations, and for no query pool beside so many.

use std::collections::HashSet;
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

use crate::{chain, memory};

/// How many, where that was asked for.
fn room() -> Option<usize> {
    static ROOM: OnceLock<Option<usize>> = OnceLock::new();
    *ROOM.get_or_init(|| std::env::var("HESPER_TEST_LAYER_ALLOCATIONS").ok()?.parse().ok())
}

/// Whether there is less room than usual.
pub fn on() -> bool {
    room().is_some()
}

/// The allocations that are alive.
fn alive() -> &'static Mutex<HashSet<vk::DeviceMemory>> {
    static ALIVE: OnceLock<Mutex<HashSet<vk::DeviceMemory>>> = OnceLock::new();
    ALIVE.get_or_init(Mutex::default)
}

fn is_full() -> bool {
    room().is_some_and(|room| alive().lock().len() >= room)
}

pub unsafe extern "system" fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    if is_full() {
        return vk::Result::ERROR_TOO_MANY_OBJECTS;
    }
    // SAFETY: called with valid arguments, which are handed on.
    let result = unsafe { memory::allocate_memory(device, info, allocator, to) };
    if result == vk::Result::SUCCESS {
        // SAFETY: written by the call above.
        alive().lock().insert(unsafe { to.read() });
    }
    result
}

pub unsafe extern "system" fn free_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    allocator: *const vk::AllocationCallbacks,
) {
    alive().lock().remove(&memory);
    // SAFETY: called with valid arguments, which are handed on.
    unsafe { memory::free_memory(device, memory, allocator) };
}

pub unsafe extern "system" fn create_query_pool(
    device: vk::Device,
    info: *const vk::QueryPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::QueryPool,
) -> vk::Result {
    if is_full() {
        return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
    }
    // SAFETY: called with valid arguments, which are handed on.
    match unsafe { chain::device(device) } {
        // SAFETY: as above.
        Some(d) => unsafe { (d.v1_0.create_query_pool)(device, info, allocator, to) },
        None => vk::Result::ERROR_INITIALIZATION_FAILED,
    }
}

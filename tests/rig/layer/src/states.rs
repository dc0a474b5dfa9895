//! `HESPER_TEST_LAYER_STATES`: says on stderr where a command buffer is begun that is being recorded already, or that was and isn't reset although its pool has no
//! VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, which drivers may take badly (Vulkan specification, "Command Buffer Lifecycle").

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

use crate::chain;

struct State {
    pool: vk::CommandPool,
    /// Whether it has begun and not ended.
    recording: bool,
    /// Whether it has begun since it was reset.
    begun: bool,
}

/// Pools whose command buffers are reset by being begun.
static RESETTABLE: Mutex<Option<HashSet<vk::CommandPool>>> = Mutex::new(None);
static STATES: Mutex<Option<HashMap<vk::CommandBuffer, State>>> = Mutex::new(None);

/// Whether states are looked after.
pub fn on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_STATES").is_some())
}

fn note(buffer: vk::CommandBuffer, change: impl FnOnce(&mut State)) {
    if let Some(state) = STATES.lock().get_or_insert_default().get_mut(&buffer) {
        change(state);
    }
}

fn reset(state: &mut State) {
    (state.recording, state.begun) = (false, false);
}

pub unsafe extern "system" fn create_command_pool(
    device: vk::Device,
    info: *const vk::CommandPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::CommandPool,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let result = (d.v1_0.create_command_pool)(device, info, allocator, to);
        if result == vk::Result::SUCCESS {
            let (mut pools, pool) = (RESETTABLE.lock(), *to);
            let pools = pools.get_or_insert_default();
            // Handles are used again.
            pools.remove(&pool);
            if (*info).flags.contains(vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER) {
                pools.insert(pool);
            }
        }
        result
    }
}

pub unsafe extern "system" fn allocate_command_buffers(
    device: vk::Device,
    info: *const vk::CommandBufferAllocateInfo,
    to: *mut vk::CommandBuffer,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let result = (d.v1_0.allocate_command_buffers)(device, info, to);
        if result == vk::Result::SUCCESS {
            let made = std::slice::from_raw_parts(to, (*info).command_buffer_count as usize);
            let new = made.iter().map(|c| (*c, State { pool: (*info).command_pool, recording: false, begun: false }));
            STATES.lock().get_or_insert_default().extend(new);
        }
        result
    }
}

pub unsafe extern "system" fn begin_command_buffer(
    buffer: vk::CommandBuffer,
    info: *const vk::CommandBufferBeginInfo,
) -> vk::Result {
    note(buffer, |state| {
        if state.recording {
            eprintln!("test layer: a command buffer is begun while it is recorded");
        } else if state.begun && !RESETTABLE.lock().get_or_insert_default().contains(&state.pool) {
            eprintln!("test layer: a command buffer is begun again, and its pool wasn't reset");
        }
        (state.recording, state.begun) = (true, true);
    });
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(buffer) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.begin_command_buffer)(buffer, info)
    }
}

pub unsafe extern "system" fn end_command_buffer(buffer: vk::CommandBuffer) -> vk::Result {
    note(buffer, |state| state.recording = false);
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(buffer) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.end_command_buffer)(buffer)
    }
}

pub unsafe extern "system" fn reset_command_buffer(
    buffer: vk::CommandBuffer,
    flags: vk::CommandBufferResetFlags,
) -> vk::Result {
    note(buffer, reset);
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(buffer) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.reset_command_buffer)(buffer, flags)
    }
}

pub unsafe extern "system" fn reset_command_pool(
    device: vk::Device,
    pool: vk::CommandPool,
    flags: vk::CommandPoolResetFlags,
) -> vk::Result {
    STATES.lock().get_or_insert_default().values_mut().filter(|s| s.pool == pool).for_each(reset);
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.reset_command_pool)(device, pool, flags)
    }
}

//! `HESPER_TEST_LAYER_STATES`: says on stderr where a command buffer is begun that is being recorded already, which drivers may take
//! badly (Vulkan specification, "Command Buffer Lifecycle").

use std::collections::HashMap;
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

use crate::chain;

struct State {
    pool: vk::CommandPool,
    /// Whether it has begun and not ended.
    recording: bool,
}

static STATES: Mutex<Option<HashMap<vk::CommandBuffer, State>>> = Mutex::new(None);

/// Whether states are looked after.
pub fn on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_STATES").is_some())
}

/// Notes whether a command buffer is being recorded; whether it was before.
fn note(buffer: vk::CommandBuffer, recording: bool) -> bool {
    let mut states = STATES.lock();
    let state = states.get_or_insert_default().get_mut(&buffer);
    state.is_some_and(|s| std::mem::replace(&mut s.recording, recording))
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
            let new = made.iter().map(|c| (*c, State { pool: (*info).command_pool, recording: false }));
            STATES.lock().get_or_insert_default().extend(new);
        }
        result
    }
}

pub unsafe extern "system" fn begin_command_buffer(
    buffer: vk::CommandBuffer,
    info: *const vk::CommandBufferBeginInfo,
) -> vk::Result {
    if note(buffer, true) {
        eprintln!("test layer: a command buffer is begun while it is recorded");
    }
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(buffer) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.begin_command_buffer)(buffer, info)
    }
}

pub unsafe extern "system" fn end_command_buffer(buffer: vk::CommandBuffer) -> vk::Result {
    note(buffer, false);
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
    note(buffer, false);
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
    for state in STATES.lock().get_or_insert_default().values_mut().filter(|s| s.pool == pool) {
        state.recording = false;
    }
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_0.reset_command_pool)(device, pool, flags)
    }
}

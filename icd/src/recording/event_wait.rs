//! Commands that wait for events: work that contains one may wait for what the program does later (vkSetEvent).

use ash::vk;

use crate::base::object::Part;
use crate::generated::record;
use crate::recording::command_buffer::CommandBuffer;

/// Whether a recorded command buffer waits for events.
///
/// # Safety
/// A valid command buffer that isn't recorded meanwhile.
pub unsafe fn waits(command_buffer: vk::CommandBuffer) -> bool {
    // SAFETY: by contract.
    unsafe { CommandBuffer::of(command_buffer) }.waits_for_events.get()
}

/// Notes that the recording waits for events.
///
/// # Safety
/// A command buffer that the calling thread alone records.
pub unsafe fn note(command_buffer: vk::CommandBuffer) {
    // SAFETY: by contract.
    unsafe { CommandBuffer::of(command_buffer) }.waits_for_events.set(true);
}

pub unsafe fn cmd_wait_events(
    command_buffer: vk::CommandBuffer,
    event_count: u32,
    events: *const vk::Event,
    before: vk::PipelineStageFlags,
    after: vk::PipelineStageFlags,
    memory_count: u32,
    memory: *const vk::MemoryBarrier,
    buffer_count: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_count: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    // SAFETY: the entry point's parameters; recording is externally synchronised.
    unsafe {
        note(command_buffer);
        record::cmd_wait_events(
            command_buffer,
            event_count,
            events,
            before,
            after,
            memory_count,
            memory,
            buffer_count,
            buffers,
            image_count,
            images,
        );
    }
}

pub unsafe fn cmd_wait_events2(
    command_buffer: vk::CommandBuffer,
    event_count: u32,
    events: *const vk::Event,
    infos: *const vk::DependencyInfo,
) {
    // SAFETY: the entry point's parameters; recording is externally synchronised.
    unsafe {
        note(command_buffer);
        record::cmd_wait_events2(command_buffer, event_count, events, infos);
    }
}

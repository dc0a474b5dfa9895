//! Commands that wait for events: work that contains one may wait for what the program does later (vkSetEvent).

use ash::vk;

use crate::base::chain::slice;
use crate::base::object::Part;
use crate::generated::record;
use crate::memory::presented_layout;
use crate::recording::command_buffer::CommandBuffer;
use crate::recording::ownership::{self, Dependency};

/// Notes that the recording waits for events.
///
/// # Safety
/// A command buffer that is being recorded, by this thread.
pub unsafe fn note_event_wait(command_buffer: vk::CommandBuffer) {
    // SAFETY: a valid handle that this thread records into, by contract.
    unsafe { CommandBuffer::of(command_buffer).noted_mut() }.waits_for_events = true;
}

/// Whether a command buffer waits for events.
///
/// # Safety
/// A command buffer that is submitted or executed.
pub unsafe fn waits_for_events(command_buffer: vk::CommandBuffer) -> bool {
    // SAFETY: a valid handle that nobody records into, by contract.
    unsafe { CommandBuffer::of(command_buffer).noted() }.waits_for_events
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
    // SAFETY: this thread records, by valid usage.
    unsafe { note_event_wait(command_buffer) };
    // SAFETY: a valid command buffer and arrays.
    let (other_buffers, other_images) = unsafe {
        (
            ownership::instead_of(command_buffer, buffers, buffer_count),
            presented_layout::instead_of(images, image_count),
        )
    };
    let buffers = other_buffers.as_ref().map_or(buffers, |b| b.as_ptr());
    let images = other_images.as_ref().map_or(images, |i| i.as_ptr());
    // SAFETY: handed on.
    unsafe {
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
    // SAFETY: this thread records, by valid usage.
    unsafe { note_event_wait(command_buffer) };
    // SAFETY: arrays of `event_count` valid dependencies.
    let dependencies: Vec<Dependency> =
        unsafe { slice(infos, event_count) }.iter().map(|i| unsafe { Dependency::of(command_buffer, i) }).collect();
    let infos: Vec<vk::DependencyInfo> = dependencies.iter().map(|d| *d.info()).collect();
    // SAFETY: handed on.
    unsafe { record::cmd_wait_events2(command_buffer, event_count, events, infos.as_ptr()) };
}

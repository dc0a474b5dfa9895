//! Copies between buffers, and the barriers around them: what uploads are made of (`upload`).

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::memory::presented_layout;
use crate::recording::command_buffer::record_copy;
use crate::recording::held_copies::{CopyCommand, note};
use crate::recording::ownership::{self, Dependency};

// Not inlined, like the default bodies that encode arrays: as part of its entry point it would find its parameters in memory.
#[inline(never)]
pub unsafe fn cmd_copy_buffer(
    command_buffer: vk::CommandBuffer,
    from: vk::Buffer,
    to: vk::Buffer,
    n: u32,
    regions: *const vk::BufferCopy,
) {
    // SAFETY: an array of that length, by valid usage.
    let list = unsafe { slice(regions, n) };
    let copies = move || list.iter().map(move |region| CopyCommand { from, to, region: *region });
    // SAFETY: this thread records, by valid usage; encodes the array.
    unsafe {
        record_copy(
            command_buffer,
            move |c| note(c, copies()),
            move |w| request::cmd_copy_buffer(w, 0, command_buffer, from, to, n, regions),
        );
    }
}

pub unsafe fn cmd_copy_buffer2(command_buffer: vk::CommandBuffer, info: *const vk::CopyBufferInfo2) {
    // SAFETY: a valid struct, by valid usage.
    let i = unsafe { &*info };
    // SAFETY: an array of that length, by valid usage.
    let list = unsafe { slice(i.p_regions, i.region_count) };
    let copies = || {
        list.iter().map(|r| CopyCommand {
            from: i.src_buffer,
            to: i.dst_buffer,
            region: vk::BufferCopy { src_offset: r.src_offset, dst_offset: r.dst_offset, size: r.size },
        })
    };
    // SAFETY: this thread records, by valid usage; encodes the struct.
    unsafe {
        record_copy(command_buffer, |c| note(c, copies()), |w| request::cmd_copy_buffer2(w, 0, command_buffer, info));
    }
}

#[inline(never)]
pub unsafe fn cmd_pipeline_barrier(
    command_buffer: vk::CommandBuffer,
    before: vk::PipelineStageFlags,
    after: vk::PipelineStageFlags,
    flags: vk::DependencyFlags,
    memory_count: u32,
    memory: *const vk::MemoryBarrier,
    buffer_count: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_count: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    if buffer_count > 0 || image_count > 0 {
        // SAFETY: handed on.
        return unsafe {
            barrier_at_length(
                command_buffer,
                before,
                after,
                flags,
                memory_count,
                memory,
                buffer_count,
                buffers,
                image_count,
                images,
            )
        };
    }
    // SAFETY: handed on.
    unsafe {
        barrier::<false>(
            command_buffer,
            before,
            after,
            flags,
            memory_count,
            memory,
            buffer_count,
            buffers,
            image_count,
            images,
        );
    }
}

/// A barrier that may have to be recorded otherwise than the program has it; apart, so that the way of most barriers is short.
#[inline(never)]
unsafe fn barrier_at_length(
    command_buffer: vk::CommandBuffer,
    before: vk::PipelineStageFlags,
    after: vk::PipelineStageFlags,
    flags: vk::DependencyFlags,
    memory_count: u32,
    memory: *const vk::MemoryBarrier,
    buffer_count: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_count: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    // SAFETY: a valid command buffer and arrays.
    let (other_buffers, other_images) = unsafe {
        (
            ownership::instead_of(command_buffer, buffers, buffer_count),
            presented_layout::instead_of(images, image_count),
        )
    };
    let buffers = other_buffers.as_ref().map_or(buffers, |b| b.as_ptr());
    let images = other_images.as_ref().map_or(images, |i| i.as_ptr());
    // SAFETY: handed on; the other arrays live as long as this call.
    unsafe {
        barrier::<true>(
            command_buffer,
            before,
            after,
            flags,
            memory_count,
            memory,
            buffer_count,
            buffers,
            image_count,
            images,
        );
    }
}

/// Records a barrier as it is; `ANY` says whether it may have more than memory barriers. Each kind has a closure of its own, which the compiler puts in line
/// since nobody else calls it.
#[inline(always)]
unsafe fn barrier<const ANY: bool>(
    command_buffer: vk::CommandBuffer,
    before: vk::PipelineStageFlags,
    after: vk::PipelineStageFlags,
    flags: vk::DependencyFlags,
    memory_count: u32,
    memory: *const vk::MemoryBarrier,
    buffer_count: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_count: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    let (buffer_count, image_count) = if ANY { (buffer_count, image_count) } else { (0, 0) };
    // A barrier that changes an image's layout or hands something to another queue family does more than put things in order.
    let orders = move || {
        let stays = |b: &vk::BufferMemoryBarrier<'_>| {
            b.src_queue_family_index == b.dst_queue_family_index && b.p_next.is_null()
        };
        // SAFETY: an array of that length, by valid usage.
        image_count == 0 && unsafe { slice(buffers, buffer_count) }.iter().all(stays)
    };
    // SAFETY: this thread records, by valid usage; encodes the arrays.
    unsafe {
        record_copy(
            command_buffer,
            |_| orders(),
            move |w| {
                request::cmd_pipeline_barrier(
                    w,
                    0,
                    command_buffer,
                    before,
                    after,
                    flags,
                    memory_count,
                    memory,
                    buffer_count,
                    buffers,
                    image_count,
                    images,
                )
            },
        );
    }
}

pub unsafe fn cmd_pipeline_barrier2(command_buffer: vk::CommandBuffer, info: *const vk::DependencyInfo) {
    // SAFETY: a valid struct, by valid usage.
    let i = unsafe { &*info };
    let orders = || {
        let stays = |b: &vk::BufferMemoryBarrier2<'_>| {
            b.src_queue_family_index == b.dst_queue_family_index && b.p_next.is_null()
        };
        // SAFETY: an array of that length, by valid usage.
        let buffers = unsafe { slice(i.p_buffer_memory_barriers, i.buffer_memory_barrier_count) };
        i.p_next.is_null() && i.image_memory_barrier_count == 0 && buffers.iter().all(stays)
    };
    // SAFETY: this thread records, by valid usage; encodes the struct.
    unsafe {
        let dependency = Dependency::of(command_buffer, i);
        let info = dependency.info();
        record_copy(command_buffer, |_| orders(), |w| request::cmd_pipeline_barrier2(w, 0, command_buffer, info));
    }
}

//! Commands that reset queries, and submissions of them: results kept from before a reset are forgotten when it is submitted.

use ash::vk;

use crate::base::chain::slice;
use crate::base::object::Part;
use crate::base::progress::Submission;
use crate::generated::record;
use crate::recording::command_buffer::CommandBuffer;
use crate::recording::event_wait;
use crate::recording::query_pool;

/// Notes that a command of the recording resets queries of a pool.
///
/// # Safety
/// A command buffer that is being recorded, by this thread.
unsafe fn note_reset(command_buffer: vk::CommandBuffer, pool: vk::QueryPool) {
    // SAFETY: a valid handle that this thread records into, by contract.
    let resets = &mut unsafe { CommandBuffer::of(command_buffer).noted_mut() }.resets;
    if !resets.contains(&pool) {
        resets.push(pool);
    }
}

/// The query pools of which a command buffer resets queries.
///
/// # Safety
/// A command buffer that is submitted or executed; the list is there until it may be recorded, reset or freed.
unsafe fn resets<'a>(command_buffer: vk::CommandBuffer) -> &'a [vk::QueryPool] {
    // SAFETY: a valid handle that nobody records into, by contract.
    &unsafe { CommandBuffer::of(command_buffer).noted() }.resets
}

pub unsafe fn cmd_reset_query_pool(command_buffer: vk::CommandBuffer, pool: vk::QueryPool, first: u32, n: u32) {
    // SAFETY: this thread records, by valid usage.
    unsafe { note_reset(command_buffer, pool) };
    // SAFETY: handed on.
    unsafe { record::cmd_reset_query_pool(command_buffer, pool, first, n) };
}

pub unsafe fn cmd_execute_commands(command_buffer: vk::CommandBuffer, n: u32, secondaries: *const vk::CommandBuffer) {
    // SAFETY: an array of that length, by valid usage.
    for secondary in unsafe { slice(secondaries, n) } {
        // SAFETY: a valid handle; nobody records a command buffer that is executed.
        if unsafe { event_wait::waits_for_events(*secondary) } {
            // SAFETY: this thread records.
            unsafe { event_wait::note_event_wait(command_buffer) };
        }
        // SAFETY: a valid handle; nobody records a command buffer that is executed.
        for pool in unsafe { resets(*secondary) } {
            // SAFETY: this thread records, and a command buffer can't execute itself.
            unsafe { note_reset(command_buffer, *pool) };
        }
    }
    // SAFETY: handed on.
    unsafe { record::cmd_execute_commands(command_buffer, n, secondaries) };
}

/// The command buffers of a submission are about to be sent.
///
/// # Safety
/// Command buffers that are submitted.
pub unsafe fn submitting(buffers: impl Iterator<Item = vk::CommandBuffer>, submission: &Submission) {
    for c in buffers {
        // SAFETY: a valid handle; nobody records a command buffer that is submitted.
        for pool in unsafe { resets(c) }.iter().filter_map(|pool| query_pool::pool(*pool)) {
            pool.forget(Some(submission.clone()));
        }
    }
}

//! Commands that reset queries, and submissions of them: results kept from before a reset are forgotten when it is submitted.

use ash::vk;

use crate::base::chain::slice;
use crate::base::progress::Submission;
use crate::generated::record;
use crate::recording::command_buffer;
use crate::recording::query_pool;

pub unsafe fn cmd_reset_query_pool(command_buffer: vk::CommandBuffer, pool: vk::QueryPool, first: u32, n: u32) {
    // SAFETY: this thread records, by valid usage.
    unsafe { command_buffer::note_reset(command_buffer, pool) };
    // SAFETY: handed on.
    unsafe { record::cmd_reset_query_pool(command_buffer, pool, first, n) };
}

pub unsafe fn cmd_execute_commands(command_buffer: vk::CommandBuffer, n: u32, secondaries: *const vk::CommandBuffer) {
    // SAFETY: an array of that length, by valid usage.
    for secondary in unsafe { slice(secondaries, n) } {
        // SAFETY: a valid handle; nobody records a command buffer that is executed.
        if unsafe { command_buffer::waits_for_events(*secondary) } {
            // SAFETY: this thread records.
            unsafe { command_buffer::note_event_wait(command_buffer) };
        }
        // SAFETY: a valid handle; nobody records a command buffer that is executed.
        for pool in unsafe { command_buffer::resets(*secondary) } {
            // SAFETY: this thread records, and a command buffer can't execute itself.
            unsafe { command_buffer::note_reset(command_buffer, *pool) };
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
        for pool in unsafe { command_buffer::resets(c) }.iter().filter_map(|pool| query_pool::pool(*pool)) {
            pool.forget(Some(submission.clone()));
        }
    }
}

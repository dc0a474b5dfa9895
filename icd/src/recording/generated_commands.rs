//! Recording commands that the device generates (VK_EXT_device_generated_commands).

use ash::vk;
use hesper_encoder::generated::types;

use crate::generated::record;
use crate::pipelines::generated_commands::settle_in;
use crate::recording::command_buffer::{fail, fail_with, send_recorded};

pub unsafe fn cmd_execute_generated_commands_ext(
    command_buffer: vk::CommandBuffer,
    preprocessed: vk::Bool32,
    info: *const types::GeneratedCommandsInfoEXT,
) {
    // SAFETY: this thread records, by valid usage; a valid struct with its chain.
    unsafe {
        match settle_in((*info).p_next) {
            Ok(()) => record::cmd_execute_generated_commands_ext(command_buffer, preprocessed, info),
            Err(e) => fail(command_buffer, e),
        }
    }
}

/// The host's driver looks at the state that `state` has when the command comes there. So it has to come behind all that was recorded into
/// `state` before, and in front of all that is recorded afterwards: both are sent at once.
pub unsafe fn cmd_preprocess_generated_commands_ext(
    command_buffer: vk::CommandBuffer,
    info: *const types::GeneratedCommandsInfoEXT,
    state: vk::CommandBuffer,
) {
    // SAFETY: this thread records into both, by valid usage; a valid struct with its chain.
    unsafe {
        if let Err(e) = settle_in((*info).p_next) {
            return fail(command_buffer, e);
        }
        if let Err(e) = send_recorded(state) {
            // The host must not look at a state that it doesn't have.
            return fail_with(command_buffer, e);
        }
        record::cmd_preprocess_generated_commands_ext(command_buffer, info, state);
        // An error shows at vkEndCommandBuffer, like those of other commands.
        let _ = send_recorded(command_buffer);
    }
}

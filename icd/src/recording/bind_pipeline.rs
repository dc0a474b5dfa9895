//! Binding pipelines: the host must never see one that isn't there.

use ash::vk;

use crate::generated::record;
use crate::pipelines::compiling::settle;
use crate::recording::command_buffer;

#[inline]
pub unsafe fn cmd_bind_pipeline(cmd: vk::CommandBuffer, point: vk::PipelineBindPoint, pipeline: vk::Pipeline) {
    match settle(pipeline) {
        // SAFETY: a command buffer that is being recorded, and a pipeline that is there.
        Ok(()) => unsafe { record::cmd_bind_pipeline(cmd, point, pipeline) },
        // SAFETY: a command buffer that is being recorded.
        Err(e) => unsafe { command_buffer::fail(cmd, e) },
    }
}

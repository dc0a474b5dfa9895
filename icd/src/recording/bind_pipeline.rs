//! Binding pipelines: the host must never see one that isn't there.

use ash::vk;

use crate::generated::record;
use crate::pipelines::compiling::doubt;
use crate::recording::command_buffer;

#[inline]
pub unsafe fn cmd_bind_pipeline(cmd: vk::CommandBuffer, point: vk::PipelineBindPoint, pipeline: vk::Pipeline) {
    match doubt(pipeline) {
        // SAFETY: a command buffer that is being recorded, and a pipeline that is there.
        Ok(None) => unsafe { record::cmd_bind_pipeline(cmd, point, pipeline) },
        // SAFETY: a command buffer that is being recorded, of which the host isn't told more before it is known that the pipeline is there.
        Ok(Some(in_doubt)) => unsafe {
            command_buffer::await_pipeline(cmd, in_doubt);
            record::cmd_bind_pipeline(cmd, point, pipeline);
        },
        // SAFETY: a command buffer that is being recorded.
        Err(e) => unsafe { command_buffer::fail(cmd, e) },
    }
}

//! Binding pipelines: the host must never see one that isn't there.

use ash::vk;

use crate::generated::record;
use crate::pipelines::pipeline::compiled;
use crate::recording::command_buffer;

#[inline]
pub unsafe fn cmd_bind_pipeline(cmd: vk::CommandBuffer, point: vk::PipelineBindPoint, pipeline: vk::Pipeline) {
    // SAFETY: by valid usage.
    unsafe {
        match compiled(pipeline) {
            Ok(()) => record::cmd_bind_pipeline(cmd, point, pipeline),
            Err(e) => command_buffer::fail(cmd, e),
        }
    }
}

//! Binding pipelines: the host must never see one that isn't there.

use ash::vk;

use crate::generated::record;
use crate::pipelines::compiling::{InDoubt, doubt};
use crate::recording::awaited::why;
use crate::recording::command_buffer::stream;

#[inline]
pub unsafe fn cmd_bind_pipeline(cmd: vk::CommandBuffer, point: vk::PipelineBindPoint, pipeline: vk::Pipeline) {
    match doubt(pipeline) {
        // SAFETY: a command buffer that is being recorded, and a pipeline that is there.
        Ok(None) => unsafe { record::cmd_bind_pipeline(cmd, point, pipeline) },
        // SAFETY: a command buffer that is being recorded, of which the host isn't told more before it is known that the pipeline is there.
        Ok(Some(in_doubt)) => unsafe {
            await_pipeline(cmd, in_doubt);
            record::cmd_bind_pipeline(cmd, point, pipeline);
        },
        // SAFETY: a command buffer that is being recorded.
        Err(e) => unsafe { fail(cmd, e) },
    }
}

/// The recording is about to name a pipeline that the host may not have.
///
/// # Safety
/// A command buffer that is being recorded, by this thread.
#[cold]
unsafe fn await_pipeline(cmd: vk::CommandBuffer, pipeline: InDoubt) {
    // SAFETY: by contract.
    let (stream, connection) = unsafe { stream(cmd) };
    stream.await_pipeline(pipeline);
    // What the pipeline is made of, so that the host can begin with it. Whoever settles the pipeline hears of a lost host.
    let _ = connection.ring.show();
}

/// Fails the recording: vkEndCommandBuffer returns an error, since the commands of a recording return none.
///
/// # Safety
/// As for [`await_pipeline`].
#[cold]
unsafe fn fail(cmd: vk::CommandBuffer, result: vk::Result) {
    // SAFETY: by contract.
    let (stream, _) = unsafe { stream(cmd) };
    stream.fail(why(result));
}

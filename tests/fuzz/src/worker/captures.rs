//! Capturing vertices by transform feedback (VK_EXT_transform_feedback), without counters.

use ash::vk;

use super::thread::Thread;
use crate::command::CAPTURED;
use crate::id::Id;

impl Thread<'_> {
    /// Vertices go to a place in a buffer from now on.
    pub unsafe fn begin_capture(&mut self, cb: vk::CommandBuffer, buffer: Id, at: u64) {
        let buffer = [self.shared.handles.buffers.get::<vk::Buffer>(buffer)];
        let (buffer, at, size) = (self.edge.array(&buffer), self.edge.array(&[at]), self.edge.array(&[CAPTURED]));
        let capture = self.shared.gpu.capture.fp();
        // SAFETY: by the plan; the arrays have one element each, and none where there are no counters.
        unsafe {
            (capture.cmd_bind_transform_feedback_buffers_ext)(cb, 0, 1, buffer, at, size);
            (capture.cmd_begin_transform_feedback_ext)(cb, 0, 0, self.edge.bad(), self.edge.bad());
        }
        self.called(2);
    }

    pub unsafe fn end_capture(&mut self, cb: vk::CommandBuffer) {
        let capture = self.shared.gpu.capture.fp();
        // SAFETY: by the plan.
        unsafe { (capture.cmd_end_transform_feedback_ext)(cb, 0, 0, self.edge.bad(), self.edge.bad()) };
        self.called(1);
    }
}

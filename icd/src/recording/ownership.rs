//! Barriers that aren't recorded as they are: those that hand buffers from one queue family to another (`memory::sharing`), or images to the screen
//! (`memory::presented_layout`).

use ash::vk;

use crate::base::chain::slice;
use crate::base::object::Part;
use crate::generated::record;
use crate::memory::presented_layout;
use crate::memory::sharing::{BufferBarrier, without_families};
use crate::pipelines::device::Device;
use crate::recording::command_buffer::CommandBuffer;

/// The barriers that are recorded for those of the program, if these can't stay.
///
/// # Safety
/// A valid command buffer and `n` barriers.
#[inline]
pub unsafe fn instead_of<B: BufferBarrier>(
    command_buffer: vk::CommandBuffer,
    barriers: *const B,
    n: u32,
) -> Option<Vec<B>> {
    if n == 0 {
        return None;
    }
    // SAFETY: by contract; the device outlives its command buffers.
    unsafe {
        let shares = Device::of(CommandBuffer::of(command_buffer).device()).shares_buffers();
        if shares { without_families(slice(barriers, n)) } else { None }
    }
}

/// A dependency whose barriers stay as the program gave them, or the one that is recorded instead.
pub struct Dependency<'a> {
    info: vk::DependencyInfo<'a>,
    _buffers: Option<Vec<vk::BufferMemoryBarrier2<'a>>>,
    _images: Option<Vec<vk::ImageMemoryBarrier2<'a>>>,
}

impl<'a> Dependency<'a> {
    /// The dependency that is recorded for the program's.
    ///
    /// # Safety
    /// A valid command buffer and dependency.
    #[inline]
    pub unsafe fn of(command_buffer: vk::CommandBuffer, info: &vk::DependencyInfo<'a>) -> Self {
        let mut info = *info;
        let (buffers, images) = (info.p_buffer_memory_barriers, info.p_image_memory_barriers);
        // SAFETY: by contract.
        let (buffers, images) = unsafe {
            (
                instead_of(command_buffer, buffers, info.buffer_memory_barrier_count),
                presented_layout::instead_of(images, info.image_memory_barrier_count),
            )
        };
        if let Some(buffers) = &buffers {
            info.p_buffer_memory_barriers = buffers.as_ptr();
        }
        if let Some(images) = &images {
            info.p_image_memory_barriers = images.as_ptr();
        }
        Self { info, _buffers: buffers, _images: images }
    }

    /// What is recorded; the list that it points at doesn't move with this.
    pub fn info(&self) -> &vk::DependencyInfo<'a> {
        &self.info
    }
}

pub unsafe fn cmd_set_event2(command_buffer: vk::CommandBuffer, event: vk::Event, info: *const vk::DependencyInfo) {
    // SAFETY: the entry point's parameters.
    unsafe {
        let dependency = Dependency::of(command_buffer, &*info);
        record::cmd_set_event2(command_buffer, event, dependency.info());
    }
}

//! Barriers: between families that are one for the driver, no ownership goes anywhere.

use ash::vk;

use super::families::{list, real};
use crate::chain;

/// A barrier that can name two families.
trait Barrier: Copy {
    fn families(&mut self) -> [&mut u32; 2];
}

macro_rules! barriers {
    ($($barrier:ident),*) => {$(
        impl Barrier for vk::$barrier<'_> {
            fn families(&mut self) -> [&mut u32; 2] {
                [&mut self.src_queue_family_index, &mut self.dst_queue_family_index]
            }
        }
    )*};
}

barriers!(BufferMemoryBarrier, ImageMemoryBarrier, BufferMemoryBarrier2, ImageMemoryBarrier2);

/// The same barriers with the driver's families.
fn translated<T: Barrier>(barriers: &[T]) -> Vec<T> {
    let mut own = barriers.to_vec();
    for family in own.iter_mut().flat_map(T::families) {
        *family = real(*family);
    }
    own
}

/// Translated dependencies, with the arrays that they point at.
struct Dependencies {
    buffers: Vec<Vec<vk::BufferMemoryBarrier2<'static>>>,
    images: Vec<Vec<vk::ImageMemoryBarrier2<'static>>>,
    infos: Vec<vk::DependencyInfo<'static>>,
}

impl Dependencies {
    unsafe fn of(infos: *const vk::DependencyInfo<'_>, n: u32) -> Self {
        let mut own = Self { buffers: Vec::new(), images: Vec::new(), infos: Vec::new() };
        // SAFETY: the caller vouches for `n` valid structs, which outlive the command that is being recorded.
        let infos = unsafe { list(infos.cast::<vk::DependencyInfo<'static>>(), n) };
        for info in infos {
            // SAFETY: a valid struct's arrays have the lengths that it says.
            let (buffers, images) = unsafe {
                (
                    translated(list(info.p_buffer_memory_barriers, info.buffer_memory_barrier_count)),
                    translated(list(info.p_image_memory_barriers, info.image_memory_barrier_count)),
                )
            };
            let mut info = *info;
            (info.p_buffer_memory_barriers, info.p_image_memory_barriers) = (buffers.as_ptr(), images.as_ptr());
            own.infos.push(info);
            own.buffers.push(buffers);
            own.images.push(images);
        }
        own
    }
}

pub unsafe extern "system" fn cmd_pipeline_barrier(
    cmd: vk::CommandBuffer,
    src: vk::PipelineStageFlags,
    dst: vk::PipelineStageFlags,
    flags: vk::DependencyFlags,
    n: u32,
    barriers: *const vk::MemoryBarrier,
    buffer_n: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_n: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    // SAFETY: the program's arrays have the lengths that it says; the copies are as long.
    unsafe {
        let Some(d) = chain::device(cmd) else { return };
        let (own_buffers, own_images) = (translated(list(buffers, buffer_n)), translated(list(images, image_n)));
        let (buffers, images) = (own_buffers.as_ptr(), own_images.as_ptr());
        (d.v1_0.cmd_pipeline_barrier)(cmd, src, dst, flags, n, barriers, buffer_n, buffers, image_n, images);
    }
}

pub unsafe extern "system" fn cmd_wait_events(
    cmd: vk::CommandBuffer,
    event_n: u32,
    events: *const vk::Event,
    src: vk::PipelineStageFlags,
    dst: vk::PipelineStageFlags,
    n: u32,
    barriers: *const vk::MemoryBarrier,
    buffer_n: u32,
    buffers: *const vk::BufferMemoryBarrier,
    image_n: u32,
    images: *const vk::ImageMemoryBarrier,
) {
    // SAFETY: the program's arrays have the lengths that it says; the copies are as long.
    unsafe {
        let Some(d) = chain::device(cmd) else { return };
        let (own_buffers, own_images) = (translated(list(buffers, buffer_n)), translated(list(images, image_n)));
        let (buffers, images) = (own_buffers.as_ptr(), own_images.as_ptr());
        (d.v1_0.cmd_wait_events)(cmd, event_n, events, src, dst, n, barriers, buffer_n, buffers, image_n, images);
    }
}

pub unsafe extern "system" fn cmd_pipeline_barrier2(cmd: vk::CommandBuffer, info: *const vk::DependencyInfo) {
    // SAFETY: the program passes one valid struct.
    unsafe {
        let Some(d) = chain::device(cmd) else { return };
        (d.v1_3.cmd_pipeline_barrier2)(cmd, Dependencies::of(info, 1).infos.as_ptr());
    }
}

pub unsafe extern "system" fn cmd_set_event2(
    cmd: vk::CommandBuffer,
    event: vk::Event,
    info: *const vk::DependencyInfo,
) {
    // SAFETY: the program passes one valid struct.
    unsafe {
        let Some(d) = chain::device(cmd) else { return };
        (d.v1_3.cmd_set_event2)(cmd, event, Dependencies::of(info, 1).infos.as_ptr());
    }
}

pub unsafe extern "system" fn cmd_wait_events2(
    cmd: vk::CommandBuffer,
    n: u32,
    events: *const vk::Event,
    infos: *const vk::DependencyInfo,
) {
    // SAFETY: the program passes as many structs as events.
    unsafe {
        let Some(d) = chain::device(cmd) else { return };
        (d.v1_3.cmd_wait_events2)(cmd, n, events, Dependencies::of(infos, n).infos.as_ptr());
    }
}

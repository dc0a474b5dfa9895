//! A submission in the layer's own memory, kept until the real queue gets it.

use std::ffi::c_void;

use ash::vk;

use super::families::list;
use crate::chain::Device;

/// One batch, with the fence that its end signals. Structs that only hint (frame boundaries, latency) aren't kept.
#[derive(Default)]
pub struct Work {
    pub waits: Vec<vk::SemaphoreSubmitInfo<'static>>,
    pub signals: Vec<vk::SemaphoreSubmitInfo<'static>>,
    pub fence: vk::Fence,
    kind: Kind,
}

enum Kind {
    Commands { flags: vk::SubmitFlags, buffers: Vec<vk::CommandBufferSubmitInfo<'static>> },
    Sparse(Binds),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Commands { flags: vk::SubmitFlags::empty(), buffers: Vec::new() }
    }
}

#[derive(Default)]
struct Binds {
    devices: Option<(u32, u32)>,
    buffers: Vec<(vk::Buffer, Vec<vk::SparseMemoryBind>)>,
    opaque: Vec<(vk::Image, Vec<vk::SparseMemoryBind>)>,
    images: Vec<(vk::Image, Vec<vk::SparseImageMemoryBind>)>,
}

// SAFETY: every chain pointer of the structs in it is null; the rest are handles and numbers.
unsafe impl Send for Work {}

/// The structs of a chain.
unsafe fn chain(p: *const c_void) -> impl Iterator<Item = *const vk::BaseInStructure<'static>> {
    let there = |p: *const vk::BaseInStructure<'static>| (!p.is_null()).then_some(p);
    // SAFETY: the caller vouches for a valid chain.
    std::iter::successors(there(p.cast()), move |p| there(unsafe { (**p).p_next }))
}

/// Semaphores with their values, which are zero where there are none.
fn semaphores(semaphores: &[vk::Semaphore], values: &[u64]) -> Vec<vk::SemaphoreSubmitInfo<'static>> {
    let one = |(i, s): (usize, &vk::Semaphore)| {
        let info = vk::SemaphoreSubmitInfo::default().semaphore(*s);
        info.value(values.get(i).copied().unwrap_or(0)).stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
    };
    semaphores.iter().enumerate().map(one).collect()
}

/// The values of waits and of signals that a chain has.
unsafe fn values<'a>(p: *const c_void) -> (&'a [u64], &'a [u64]) {
    // SAFETY: the caller vouches for a valid chain, in which the tag tells the type.
    unsafe {
        let found = chain(p).find(|s| (**s).s_type == vk::StructureType::TIMELINE_SEMAPHORE_SUBMIT_INFO);
        found.map_or((&[][..], &[][..]), |s| {
            let s = &*s.cast::<vk::TimelineSemaphoreSubmitInfo>();
            (
                list(s.p_wait_semaphore_values, s.wait_semaphore_value_count),
                list(s.p_signal_semaphore_values, s.signal_semaphore_value_count),
            )
        })
    }
}

impl Work {
    /// A batch of vkQueueSubmit.
    pub unsafe fn of_submit(info: &vk::SubmitInfo) -> Self {
        // SAFETY: the caller vouches for a valid struct: its arrays have the lengths that it says, and tags tell types.
        unsafe {
            let (wait_values, signal_values) = values(info.p_next);
            let mut waits = semaphores(list(info.p_wait_semaphores, info.wait_semaphore_count), wait_values);
            for (w, stage) in waits.iter_mut().zip(list(info.p_wait_dst_stage_mask, info.wait_semaphore_count)) {
                w.stage_mask = vk::PipelineStageFlags2::from_raw(stage.as_raw().into());
            }
            let mut signals = semaphores(list(info.p_signal_semaphores, info.signal_semaphore_count), signal_values);
            let handles = list(info.p_command_buffers, info.command_buffer_count);
            let mut buffers: Vec<_> =
                handles.iter().map(|b| vk::CommandBufferSubmitInfo::default().command_buffer(*b)).collect();
            let mut flags = vk::SubmitFlags::empty();
            for s in chain(info.p_next) {
                match (*s).s_type {
                    vk::StructureType::DEVICE_GROUP_SUBMIT_INFO => {
                        let s = &*s.cast::<vk::DeviceGroupSubmitInfo>();
                        let at = list(s.p_wait_semaphore_device_indices, s.wait_semaphore_count);
                        waits.iter_mut().zip(at).for_each(|(w, i)| w.device_index = *i);
                        let at = list(s.p_signal_semaphore_device_indices, s.signal_semaphore_count);
                        signals.iter_mut().zip(at).for_each(|(w, i)| w.device_index = *i);
                        let masks = list(s.p_command_buffer_device_masks, s.command_buffer_count);
                        buffers.iter_mut().zip(masks).for_each(|(b, m)| b.device_mask = *m);
                    }
                    vk::StructureType::PROTECTED_SUBMIT_INFO
                        if (*s.cast::<vk::ProtectedSubmitInfo>()).protected_submit == vk::TRUE =>
                    {
                        flags |= vk::SubmitFlags::PROTECTED;
                    }
                    _ => {}
                }
            }
            Self { waits, signals, fence: vk::Fence::null(), kind: Kind::Commands { flags, buffers } }
        }
    }

    /// A batch of vkQueueSubmit2.
    pub unsafe fn of_submit2(info: &vk::SubmitInfo2) -> Self {
        let operation = |s: &vk::SemaphoreSubmitInfo| {
            let own = vk::SemaphoreSubmitInfo::default().semaphore(s.semaphore).value(s.value);
            own.stage_mask(s.stage_mask).device_index(s.device_index)
        };
        let buffer = |b: &vk::CommandBufferSubmitInfo| {
            vk::CommandBufferSubmitInfo::default().command_buffer(b.command_buffer).device_mask(b.device_mask)
        };
        // SAFETY: the caller vouches for a valid struct, whose arrays have the lengths that it says.
        unsafe {
            let buffers = list(info.p_command_buffer_infos, info.command_buffer_info_count);
            Self {
                waits: list(info.p_wait_semaphore_infos, info.wait_semaphore_info_count)
                    .iter()
                    .map(operation)
                    .collect(),
                signals: list(info.p_signal_semaphore_infos, info.signal_semaphore_info_count)
                    .iter()
                    .map(operation)
                    .collect(),
                fence: vk::Fence::null(),
                kind: Kind::Commands { flags: info.flags, buffers: buffers.iter().map(buffer).collect() },
            }
        }
    }

    /// A batch of vkQueueBindSparse.
    pub unsafe fn of_binds(info: &vk::BindSparseInfo) -> Self {
        // SAFETY: the caller vouches for a valid struct: its arrays have the lengths that it says, and tags tell types.
        unsafe {
            let (wait_values, signal_values) = values(info.p_next);
            let group = chain(info.p_next).find(|s| (**s).s_type == vk::StructureType::DEVICE_GROUP_BIND_SPARSE_INFO);
            let binds = Binds {
                devices: group.map(|s| {
                    let s = &*s.cast::<vk::DeviceGroupBindSparseInfo>();
                    (s.resource_device_index, s.memory_device_index)
                }),
                buffers: list(info.p_buffer_binds, info.buffer_bind_count)
                    .iter()
                    .map(|b| (b.buffer, list(b.p_binds, b.bind_count).to_vec()))
                    .collect(),
                opaque: list(info.p_image_opaque_binds, info.image_opaque_bind_count)
                    .iter()
                    .map(|b| (b.image, list(b.p_binds, b.bind_count).to_vec()))
                    .collect(),
                images: list(info.p_image_binds, info.image_bind_count)
                    .iter()
                    .map(|b| (b.image, list(b.p_binds, b.bind_count).to_vec()))
                    .collect(),
            };
            Self {
                waits: semaphores(list(info.p_wait_semaphores, info.wait_semaphore_count), wait_values),
                signals: semaphores(list(info.p_signal_semaphores, info.signal_semaphore_count), signal_values),
                fence: vk::Fence::null(),
                kind: Kind::Sparse(binds),
            }
        }
    }

    /// Gives it to the real queue.
    pub unsafe fn give(&self, d: &Device, queue: vk::Queue) -> vk::Result {
        match &self.kind {
            Kind::Commands { flags, buffers } => {
                let info = vk::SubmitInfo2::default()
                    .flags(*flags)
                    .wait_semaphore_infos(&self.waits)
                    .signal_semaphore_infos(&self.signals)
                    .command_buffer_infos(buffers);
                // SAFETY: the program keeps what a submission names until the submission has ended; the caller has the queue to itself.
                unsafe { (d.v1_3.queue_submit2)(queue, 1, &info, self.fence) }
            }
            // SAFETY: as above.
            Kind::Sparse(binds) => unsafe { self.give_binds(binds, d, queue) },
        }
    }

    unsafe fn give_binds(&self, binds: &Binds, d: &Device, queue: vk::Queue) -> vk::Result {
        let split = |list: &[vk::SemaphoreSubmitInfo]| -> (Vec<vk::Semaphore>, Vec<u64>) {
            list.iter().map(|s| (s.semaphore, s.value)).unzip()
        };
        let ((waits, wait_values), (signals, signal_values)) = (split(&self.waits), split(&self.signals));
        let buffers: Vec<_> = binds
            .buffers
            .iter()
            .map(|(b, list)| vk::SparseBufferMemoryBindInfo::default().buffer(*b).binds(list))
            .collect();
        let opaque: Vec<_> = binds
            .opaque
            .iter()
            .map(|(i, list)| vk::SparseImageOpaqueMemoryBindInfo::default().image(*i).binds(list))
            .collect();
        let images: Vec<_> = binds
            .images
            .iter()
            .map(|(i, list)| vk::SparseImageMemoryBindInfo::default().image(*i).binds(list))
            .collect();
        let mut values = vk::TimelineSemaphoreSubmitInfo::default()
            .wait_semaphore_values(&wait_values)
            .signal_semaphore_values(&signal_values);
        let mut group = vk::DeviceGroupBindSparseInfo::default();
        let mut info = vk::BindSparseInfo::default()
            .wait_semaphores(&waits)
            .signal_semaphores(&signals)
            .buffer_binds(&buffers)
            .image_opaque_binds(&opaque)
            .image_binds(&images)
            .push_next(&mut values);
        if let Some((resource, memory)) = binds.devices {
            group = group.resource_device_index(resource).memory_device_index(memory);
            info = info.push_next(&mut group);
        }
        // SAFETY: the program keeps what a submission names until the submission has ended; the caller has the queue to itself.
        unsafe { (d.v1_0.queue_bind_sparse)(queue, 1, &info, self.fence) }
    }
}

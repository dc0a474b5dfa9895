//! Submissions, fences, events, semaphores and queries.

use ash::vk;

use super::poison;
use super::thread::{Ended, Thread};
use crate::command::{Asked, Id};
use crate::plan::queries::EACH;
use crate::step::{Batch, Counts, Semaphore, Step};
use crate::wire::Seen;

impl Thread<'_> {
    #[allow(clippy::too_many_lines)]
    pub fn sync_step(&mut self, step: &Step) -> Result<(), Ended> {
        let (gpu, h) = (&self.shared.gpu, &self.shared.handles);
        let d = &gpu.device;
        let result = |r: Result<(), vk::Result>| r.map_or_else(|e| e, |()| vk::Result::SUCCESS).as_raw();
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::Submit { queue, batches, fence, second_form } => {
                    let fence = fence.map_or(vk::Fence::null(), |f| h.fences.get(f));
                    let queue = gpu.queues[*queue];
                    let done = if *second_form {
                        self.submit2(queue, batches, fence)
                    } else {
                        self.submit(queue, batches, fence)
                    };
                    let done = if done == vk::Result::SUCCESS { Ok(()) } else { Err(done) };
                    self.must("vkQueueSubmit", done)?;
                }
                Step::CreateFence { fence, signalled } => {
                    let flags = if *signalled { vk::FenceCreateFlags::SIGNALED } else { vk::FenceCreateFlags::empty() };
                    let made = d.create_fence(&vk::FenceCreateInfo::default().flags(flags), None);
                    h.fences.set(*fence, self.must("vkCreateFence", made)?);
                }
                Step::DestroyFence { fence } => {
                    d.destroy_fence(h.fences.take(*fence), None);
                    self.called(1);
                }
                Step::WaitFences { fences, all, patience } => {
                    let fences: Vec<vk::Fence> = fences.iter().map(|f| h.fences.get(*f)).collect();
                    let fences = std::slice::from_raw_parts(self.edge.array(&fences), fences.len());
                    let done = d.wait_for_fences(fences, *all, Self::nanoseconds(*patience));
                    self.called(1);
                    self.see(Seen::Result(result(done)));
                }
                Step::FenceStatus { fence } => {
                    let status = d.get_fence_status(h.fences.get(*fence));
                    let status = self.must("vkGetFenceStatus", status)?;
                    self.see(Seen::Value(u64::from(status)));
                }
                Step::SpinFence { fence } => {
                    let fence = h.fences.get(*fence);
                    loop {
                        let status = d.get_fence_status(fence);
                        if self.must("vkGetFenceStatus", status)? {
                            break;
                        }
                        std::thread::yield_now();
                    }
                }
                Step::ResetFences { fences } => {
                    let fences: Vec<vk::Fence> = fences.iter().map(|f| h.fences.get(*f)).collect();
                    let done = d.reset_fences(&fences);
                    self.must("vkResetFences", done)?;
                }
                Step::QueueIdle { queue } => {
                    let done = d.queue_wait_idle(gpu.queues[*queue]);
                    self.must("vkQueueWaitIdle", done)?;
                }
                Step::DeviceIdle => {
                    let done = d.device_wait_idle();
                    self.must("vkDeviceWaitIdle", done)?;
                }
                Step::CreateEvent { event, .. } => {
                    let made = d.create_event(&vk::EventCreateInfo::default(), None);
                    h.events.set(*event, self.must("vkCreateEvent", made)?);
                }
                Step::SetEvent { event } => {
                    let done = d.set_event(h.events.get(*event));
                    self.must("vkSetEvent", done)?;
                }
                Step::ResetEvent { event } => {
                    let done = d.reset_event(h.events.get(*event));
                    self.must("vkResetEvent", done)?;
                }
                Step::EventStatus { event } => {
                    let status = d.get_event_status(h.events.get(*event));
                    let status = self.must("vkGetEventStatus", status)?;
                    self.see(Seen::Value(u64::from(status)));
                }
                Step::DestroyEvent { event } => {
                    d.destroy_event(h.events.take(*event), None);
                    self.called(1);
                }
                Step::CreateSemaphore { semaphore, timeline } => {
                    let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
                    let mut info = vk::SemaphoreCreateInfo::default();
                    if *timeline {
                        info = info.push_next(&mut kind);
                    }
                    let made = d.create_semaphore(&info, None);
                    h.semaphores.set(*semaphore, self.must("vkCreateSemaphore", made)?);
                }
                Step::DestroySemaphore { semaphore } => {
                    d.destroy_semaphore(h.semaphores.take(*semaphore), None);
                    self.called(1);
                }
                Step::Signal { semaphore } => {
                    let info = vk::SemaphoreSignalInfo::default()
                        .semaphore(h.semaphores.get(semaphore.slot))
                        .value(semaphore.value);
                    let done = d.signal_semaphore(&info);
                    self.must("vkSignalSemaphore", done)?;
                }
                Step::WaitSemaphore { semaphore } => {
                    let (handles, values) = ([h.semaphores.get(semaphore.slot)], [semaphore.value]);
                    let info = vk::SemaphoreWaitInfo::default().semaphores(&handles).values(&values);
                    let done = d.wait_semaphores(&info, u64::MAX);
                    self.must("vkWaitSemaphores", done)?;
                }
                Step::Counter { semaphore } => {
                    let value = d.get_semaphore_counter_value(h.semaphores.get(*semaphore));
                    let value = self.must("vkGetSemaphoreCounterValue", value)?;
                    self.see(Seen::Value(value));
                }
                Step::CreateQueries { pool, counts } => {
                    let (query_type, pipeline_statistics) = counted(*counts);
                    let info = vk::QueryPoolCreateInfo {
                        query_type,
                        query_count: EACH,
                        pipeline_statistics,
                        ..Default::default()
                    };
                    let made = d.create_query_pool(&info, None);
                    h.queries.set(*pool, self.must("vkCreateQueryPool", made)?);
                }
                Step::DestroyQueries { pool } => {
                    d.destroy_query_pool(h.queries.take(*pool), None);
                    self.called(1);
                }
                Step::ResetQueries { pool, first, count } => {
                    d.reset_query_pool(h.queries.get(*pool), *first, *count);
                    self.called(1);
                }
                Step::Results { pool, first, count, timestamps, asked } => {
                    self.results(*pool, *first, *count, *timestamps, *asked);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reports the result, and the memory with all that must not have changed. What times say is left out.
    unsafe fn results(&mut self, pool: Id, first: u32, count: u32, timestamps: bool, asked: Asked) {
        let d = &self.shared.gpu.device;
        let (size, stride) = (asked.value_size() as usize, (asked.values() * asked.value_size()) as usize);
        let used = size * (asked.results as usize + usize::from(asked.availability));
        let bytes = stride * (count as usize - 1) + used;
        let to = self.edge.room(bytes);
        // SAFETY: that much room, by the plan.
        unsafe {
            let result = (d.fp_v1_0().get_query_pool_results)(
                d.handle(),
                self.shared.handles.queries.get(pool),
                first,
                count,
                bytes,
                to.cast(),
                stride as u64,
                query_flags(asked),
            );
            self.called(1);
            self.see(Seen::Result(result.as_raw()));
            let mut seen = std::slice::from_raw_parts(to, bytes).to_vec();
            if timestamps {
                for value in seen.chunks_mut(stride).filter_map(|q| q.get_mut(..size)) {
                    let changed = value.iter().any(|b| *b != 0xa5);
                    value.fill(u8::from(changed));
                }
            }
            self.see(Seen::Bytes(seen));
        }
    }

    unsafe fn submit(&mut self, queue: vk::Queue, batches: &[Batch], fence: vk::Fence) -> vk::Result {
        let h = &self.shared.handles;
        let d = &self.shared.gpu.device;
        let handles = |s: &[Semaphore]| s.iter().map(|s| h.semaphores.get(s.slot)).collect::<Vec<vk::Semaphore>>();
        // Those of binary semaphores don't matter.
        let values =
            |s: &[Semaphore]| s.iter().map(|s| if s.value == 0 { u64::MAX - 1 } else { s.value }).collect::<Vec<_>>();
        let mut infos = Vec::new();
        let mut kinds = Vec::with_capacity(batches.len());
        for b in batches {
            let cbs: Vec<vk::CommandBuffer> = b.cbs.iter().map(|c| h.cbs.get(*c)).collect();
            let stages = vec![vk::PipelineStageFlags::ALL_COMMANDS; b.waits.len()];
            let timeline = b.waits.iter().chain(&b.signals).any(|s| s.value != 0);
            kinds.push(vk::TimelineSemaphoreSubmitInfo {
                wait_semaphore_value_count: b.waits.len() as u32,
                p_wait_semaphore_values: self.edge.array(&values(&b.waits)),
                signal_semaphore_value_count: b.signals.len() as u32,
                p_signal_semaphore_values: self.edge.array(&values(&b.signals)),
                ..Default::default()
            });
            infos.push(vk::SubmitInfo {
                p_next: if timeline {
                    kinds.last().map_or(std::ptr::null(), |k| (&raw const *k).cast())
                } else {
                    std::ptr::null()
                },
                wait_semaphore_count: b.waits.len() as u32,
                p_wait_semaphores: self.edge.array(&handles(&b.waits)),
                p_wait_dst_stage_mask: self.edge.array(&stages),
                command_buffer_count: cbs.len() as u32,
                p_command_buffers: self.edge.array(&cbs),
                signal_semaphore_count: b.signals.len() as u32,
                p_signal_semaphores: self.edge.array(&handles(&b.signals)),
                ..Default::default()
            });
        }
        let n = infos.len() as u32;
        // SAFETY: by the plan.
        unsafe { (d.fp_v1_0().queue_submit)(queue, n, self.edge.array(&infos), fence) }
    }

    unsafe fn submit2(&mut self, queue: vk::Queue, batches: &[Batch], fence: vk::Fence) -> vk::Result {
        let h = &self.shared.handles;
        let d = &self.shared.gpu.device;
        let infos_of = |s: &[Semaphore]| {
            s.iter()
                .map(|s| {
                    vk::SemaphoreSubmitInfo::default()
                        .semaphore(h.semaphores.get(s.slot))
                        .value(if s.value == 0 { u64::MAX - 1 } else { s.value })
                        .stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
                })
                .collect::<Vec<_>>()
        };
        let mut infos = Vec::new();
        for b in batches {
            let cbs: Vec<_> =
                b.cbs.iter().map(|c| vk::CommandBufferSubmitInfo::default().command_buffer(h.cbs.get(*c))).collect();
            infos.push(vk::SubmitInfo2 {
                wait_semaphore_info_count: b.waits.len() as u32,
                p_wait_semaphore_infos: self.edge.array(&infos_of(&b.waits)),
                command_buffer_info_count: cbs.len() as u32,
                p_command_buffer_infos: self.edge.array(&cbs),
                signal_semaphore_info_count: b.signals.len() as u32,
                p_signal_semaphore_infos: self.edge.array(&infos_of(&b.signals)),
                ..Default::default()
            });
        }
        let n = infos.len() as u32;
        // SAFETY: by the plan.
        unsafe { (d.fp_v1_3().queue_submit2)(queue, n, self.edge.array(&infos), fence) }
    }
}

/// The type of queries, and their statistics, which others than those of the pipeline haven't.
fn counted(counts: Counts) -> (vk::QueryType, vk::QueryPipelineStatisticFlags) {
    use vk::{QueryPipelineStatisticFlags as F, QueryType as T};
    let none = F::from_raw(poison::count());
    let geometry = F::INPUT_ASSEMBLY_VERTICES | F::INPUT_ASSEMBLY_PRIMITIVES;
    match counts {
        Counts::Invocations => (T::PIPELINE_STATISTICS, F::COMPUTE_SHADER_INVOCATIONS),
        Counts::Geometry => {
            (T::PIPELINE_STATISTICS, geometry | F::VERTEX_SHADER_INVOCATIONS | F::FRAGMENT_SHADER_INVOCATIONS)
        }
        Counts::Timestamps => (T::TIMESTAMP, none),
        Counts::Samples => (T::OCCLUSION, none),
        Counts::Primitives => (T::PRIMITIVES_GENERATED_EXT, none),
        Counts::Captured => (T::TRANSFORM_FEEDBACK_STREAM_EXT, none),
    }
}

/// The flags of a question for results.
pub fn query_flags(asked: Asked) -> vk::QueryResultFlags {
    use vk::QueryResultFlags as F;
    let all = [
        (asked.wide, F::TYPE_64),
        (asked.wait, F::WAIT),
        (asked.availability, F::WITH_AVAILABILITY),
        (asked.partial, F::PARTIAL),
    ];
    all.into_iter().filter(|(on, _)| *on).fold(F::empty(), |sum, (_, f)| sum | f)
}

//! The batches of a submission: VkSubmitInfo and VkSubmitInfo2, seen alike.

use std::ffi::c_void;

use ash::vk;

use crate::base::chain::slice;

/// One batch of a submission, in either form.
pub trait Batch: Copy + Default {
    /// The command that submits it.
    const COMMAND: &'static str;

    /// How it names a command buffer.
    type Named: Copy;

    /// A wait for a semaphore, to which a batch points.
    type Wait: From<vk::Semaphore>;

    /// A batch that waits for a semaphore, and with it everything behind.
    fn waiting(wait: &Self::Wait) -> Self;
    /// Its command buffers.
    unsafe fn buffers(&self) -> impl Iterator<Item = vk::CommandBuffer>;
    /// The same with one command buffer more in front, and one more behind; their names stand in `room`.
    unsafe fn with_buffers(
        self,
        first: Option<vk::CommandBuffer>,
        last: Option<vk::CommandBuffer>,
        room: &mut Vec<Self::Named>,
    ) -> Self;
    /// The semaphores that it waits for.
    unsafe fn waited_for(&self) -> impl Iterator<Item = vk::Semaphore>;
    /// The semaphores that it signals.
    unsafe fn signaled(&self) -> impl Iterator<Item = vk::Semaphore>;
    /// Whether it waits for semaphores.
    fn waits(&self) -> bool;
    /// Whether it signals semaphores.
    fn signals(&self) -> bool;
    /// Whether command buffers may be added: nothing in its chain speaks of those that are there.
    fn allows_more_buffers(&self) -> bool;
    /// Whether there is nothing to it but its command buffers.
    fn is_plain(&self) -> bool {
        !self.waits() && !self.signals() && self.allows_more_buffers()
    }
}

/// The semaphores' values are the only thing in a chain, if there is one.
unsafe fn only_values(next: *const c_void) -> bool {
    // SAFETY: by valid usage of the submission.
    let next = unsafe { next.cast::<vk::BaseInStructure<'_>>().as_ref() };
    next.is_none_or(|n| n.s_type == vk::StructureType::TIMELINE_SEMAPHORE_SUBMIT_INFO && n.p_next.is_null())
}

/// A wait of a VkSubmitInfo.
pub struct Wait {
    semaphore: vk::Semaphore,
    stages: vk::PipelineStageFlags,
}

impl From<vk::Semaphore> for Wait {
    fn from(semaphore: vk::Semaphore) -> Self {
        Self { semaphore, stages: vk::PipelineStageFlags::ALL_COMMANDS }
    }
}

impl Batch for vk::SubmitInfo<'_> {
    const COMMAND: &'static str = "vkQueueSubmit";

    type Named = vk::CommandBuffer;
    type Wait = Wait;

    fn waiting(wait: &Wait) -> Self {
        Self {
            wait_semaphore_count: 1,
            p_wait_semaphores: &wait.semaphore,
            p_wait_dst_stage_mask: &wait.stages,
            ..Default::default()
        }
    }

    unsafe fn buffers(&self) -> impl Iterator<Item = vk::CommandBuffer> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_command_buffers, self.command_buffer_count) }.iter().copied()
    }

    unsafe fn with_buffers(
        mut self,
        first: Option<vk::CommandBuffer>,
        last: Option<vk::CommandBuffer>,
        room: &mut Vec<Self::Named>,
    ) -> Self {
        room.extend(first);
        // SAFETY: by valid usage of the submission.
        room.extend(unsafe { self.buffers() });
        room.extend(last);
        (self.p_command_buffers, self.command_buffer_count) = (room.as_ptr(), room.len() as u32);
        self
    }

    unsafe fn waited_for(&self) -> impl Iterator<Item = vk::Semaphore> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_wait_semaphores, self.wait_semaphore_count) }.iter().copied()
    }

    unsafe fn signaled(&self) -> impl Iterator<Item = vk::Semaphore> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_signal_semaphores, self.signal_semaphore_count) }.iter().copied()
    }

    fn waits(&self) -> bool {
        self.wait_semaphore_count > 0
    }

    fn allows_more_buffers(&self) -> bool {
        // SAFETY: by valid usage of the submission.
        unsafe { only_values(self.p_next) }
    }

    fn signals(&self) -> bool {
        self.signal_semaphore_count > 0
    }
}

/// A wait of a VkSubmitInfo2.
pub struct Wait2(vk::SemaphoreSubmitInfo<'static>);

impl From<vk::Semaphore> for Wait2 {
    fn from(semaphore: vk::Semaphore) -> Self {
        let all = vk::PipelineStageFlags2::ALL_COMMANDS;
        Self(vk::SemaphoreSubmitInfo::default().semaphore(semaphore).stage_mask(all))
    }
}

impl<'a> Batch for vk::SubmitInfo2<'a> {
    const COMMAND: &'static str = "vkQueueSubmit2";

    type Named = vk::CommandBufferSubmitInfo<'a>;
    type Wait = Wait2;

    fn waiting(wait: &Wait2) -> Self {
        Self { wait_semaphore_info_count: 1, p_wait_semaphore_infos: &wait.0, ..Default::default() }
    }

    unsafe fn buffers(&self) -> impl Iterator<Item = vk::CommandBuffer> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_command_buffer_infos, self.command_buffer_info_count) }.iter().map(|c| c.command_buffer)
    }

    unsafe fn with_buffers(
        mut self,
        first: Option<vk::CommandBuffer>,
        last: Option<vk::CommandBuffer>,
        room: &mut Vec<Self::Named>,
    ) -> Self {
        let named = |c| vk::CommandBufferSubmitInfo::default().command_buffer(c);
        room.extend(first.map(named));
        // SAFETY: by valid usage of the submission.
        room.extend_from_slice(unsafe { slice(self.p_command_buffer_infos, self.command_buffer_info_count) });
        room.extend(last.map(named));
        (self.p_command_buffer_infos, self.command_buffer_info_count) = (room.as_ptr(), room.len() as u32);
        self
    }

    unsafe fn waited_for(&self) -> impl Iterator<Item = vk::Semaphore> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_wait_semaphore_infos, self.wait_semaphore_info_count) }.iter().map(|s| s.semaphore)
    }

    unsafe fn signaled(&self) -> impl Iterator<Item = vk::Semaphore> {
        // SAFETY: by valid usage of the submission.
        unsafe { slice(self.p_signal_semaphore_infos, self.signal_semaphore_info_count) }.iter().map(|s| s.semaphore)
    }

    fn waits(&self) -> bool {
        self.wait_semaphore_info_count > 0
    }

    fn allows_more_buffers(&self) -> bool {
        self.p_next.is_null() && self.flags.is_empty()
    }

    fn signals(&self) -> bool {
        self.signal_semaphore_info_count > 0
    }
}

/// Adds the batches to `changed`, with command buffers of the driver's own in front of the first one, and behind the last; without batches, in one of their own.
pub unsafe fn with_own<B: Batch>(
    batches: &[B],
    front: Option<vk::CommandBuffer>,
    back: Option<vk::CommandBuffer>,
    changed: &mut Vec<B>,
    rooms: &mut [Vec<B::Named>; 2],
) {
    let [first_room, last_room] = rooms;
    let others = changed.len();
    changed.extend_from_slice(batches);
    // SAFETY: by valid usage of the submission.
    unsafe {
        match changed.get_mut(others..).unwrap_or_default() {
            [only] => *only = only.with_buffers(front, back, first_room),
            [first, .., last] => {
                *first = first.with_buffers(front, None, first_room);
                *last = last.with_buffers(None, back, last_room);
            }
            [] if front.or(back).is_some() => changed.push(B::default().with_buffers(front, back, last_room)),
            [] => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    /// The command buffers of each batch.
    fn changed<B: Batch>(batches: &[B], front: Option<u64>, back: Option<u64>) -> Vec<Vec<u64>> {
        let (mut changed, mut rooms) = (Vec::new(), [Vec::new(), Vec::new()]);
        let own = |c: Option<u64>| c.map(vk::CommandBuffer::from_raw);
        // SAFETY: batches whose arrays are alive, as are the rooms.
        unsafe {
            with_own(batches, own(front), own(back), &mut changed, &mut rooms);
            changed.iter().map(|b| b.buffers().map(Handle::as_raw).collect()).collect()
        }
    }

    fn of_both(named: &[&[u64]], front: Option<u64>, back: Option<u64>) -> Vec<Vec<u64>> {
        let named: Vec<Vec<vk::CommandBuffer>> =
            named.iter().map(|b| b.iter().map(|c| vk::CommandBuffer::from_raw(*c)).collect()).collect();
        let batches: Vec<_> = named.iter().map(|b| vk::SubmitInfo::default().command_buffers(b)).collect();
        let infos: Vec<Vec<_>> = named
            .iter()
            .map(|b| b.iter().map(|c| vk::CommandBufferSubmitInfo::default().command_buffer(*c)).collect())
            .collect();
        let batches2: Vec<_> = infos.iter().map(|b| vk::SubmitInfo2::default().command_buffer_infos(b)).collect();
        let found = changed(&batches, front, back);
        assert_eq!(changed(&batches2, front, back), found);
        found
    }

    #[test]
    fn the_drivers_own_stand_around_the_programs() {
        assert_eq!(of_both(&[&[1, 2]], Some(8), Some(9)), [vec![8, 1, 2, 9]]);
        assert_eq!(of_both(&[&[1], &[2], &[]], Some(8), Some(9)), [vec![8, 1], vec![2], vec![9]]);
        assert_eq!(of_both(&[&[1]], None, None), [vec![1]]);
    }

    #[test]
    fn without_batches_they_get_one() {
        assert_eq!(of_both(&[], None, Some(9)), [vec![9]]);
        assert_eq!(of_both(&[], Some(8), Some(9)), [vec![8, 9]]);
        assert_eq!(of_both(&[], None, None), Vec::<Vec<u64>>::new());
    }
}

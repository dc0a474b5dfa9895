//! Uploads that travel with the next submission.
//!
//! A program that writes to memory which it can't map copies from memory that it can: it records a copy, submits it, and waits, only
//! to use its own memory again. Doing so costs two ways to the host and a start of the GPU, and llama.cpp does it some eight times for
//! each token. When nothing is at work that could change the source meanwhile, all that anybody can see of such a submission is that later
//! work finds the data. So it isn't sent at all: the data is taken at once, the fence counts as signalled, and the next submission gets
//! a command buffer in front that puts the data in place (vkCmdUpdateBuffer) and a barrier that makes everything later wait for it.
//! (llama.cpp has a second way, too: it submits the copy without a fence, and then nothing with one. With nothing at work, that fence counts
//! as signalled as well.)
//!
//! What has to hold for that:
//! * The recording, submitted once and without semaphores, holds nothing but barriers and copies ([`take`]).
//! * Everything submitted earlier is known to have ended, so what the processor reads at the source is what the GPU would have read.
//! * What is written isn't mapped or shared: nobody can look at it but with a later submission.
//! * Work on other queues, which is not ordered behind the barrier, isn't sent before the data is known to be in place ([`before`]);
//!   nor is the target mapped, freed or destroyed ([`finish`]).
//! * That wait can't be held up by what the program does next: between the data and the fence that is waited for there is no work
//!   that waits for a semaphore.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use hesper_encoder::generated::request;
use hesper_winsys::{Error, trace};
use parking_lot::{Mutex, MutexGuard};

use crate::base::forwarding::result_of_error;
use crate::base::object::Part;
use crate::base::progress::Submission;
use crate::base::settings;
use crate::memory::allocation as memory;
use crate::memory::buffer;
use crate::memory::pending::Pending;
use crate::recording::command_buffer::{self, CopyCommand};
use crate::submission::batch::Batch;
use crate::submission::device::Device;
use crate::submission::queue::{self, Queue};
use crate::sync::fence;

/// The largest piece that vkCmdUpdateBuffer takes, and bytes and pieces that wait at most for a submission to travel with.
const PIECE: vk::DeviceSize = 65536;
const BYTES: usize = 128 << 10;
const PIECES: usize = 256;

/// A device's uploads.
#[derive(Default)]
pub struct Uploads {
    /// Whether there are any; looked at without the lock.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What waits for a submission to travel with, and its data.
    updates: Vec<Update>,
    data: Vec<u8>,
    sent: Option<Sent>,
    /// A command buffer for each queue that updates have travelled on.
    carriers: Vec<(vk::Queue, vk::CommandBuffer)>,
}

/// Bytes for a buffer.
#[derive(Clone, Copy)]
pub struct Update {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
    /// The place in the memory.
    place: vk::DeviceSize,
    /// Where the data begins, and how much it is.
    data: usize,
    size: usize,
    /// Whether a barrier has to come before it, since it overlaps an earlier one.
    ordered: bool,
}

/// Updates that were sent and aren't known to have been carried out.
struct Sent {
    queue: vk::Queue,
    submission: Submission,
    /// Signalled after them, where somebody had to ask.
    mark: Option<Arc<Mark>>,
    updates: Vec<Update>,
}

/// A fence of the driver's own.
struct Mark {
    device: vk::Device,
    fence: vk::Fence,
}

impl Mark {
    unsafe fn new(device: vk::Device) -> Result<Self, Error> {
        let (info, mut fence) = (vk::FenceCreateInfo::default(), vk::Fence::null());
        // SAFETY: a valid device.
        match unsafe { fence::create_fence(device, &info, std::ptr::null(), &mut fence) } {
            vk::Result::SUCCESS => Ok(Self { device, fence }),
            _ => Err(Error::OutOfHostMemory),
        }
    }

    fn wait(&self) -> vk::Result {
        let _span = trace::span("wait for an upload");
        // SAFETY: handles of the driver's own; the device is alive.
        unsafe { fence::wait_for_fences(self.device, 1, &self.fence, vk::TRUE, u64::MAX) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: whoever held it has seen its submission end, or lost the host.
        unsafe { fence::destroy_fence(self.device, self.fence, std::ptr::null()) };
    }
}

/// The right to send a submission, with the updates that it carries.
pub struct Turn<'a> {
    state: Option<MutexGuard<'a, State>>,
    /// Goes in front of the submission.
    pub carried: Option<vk::CommandBuffer>,
}

impl Turn<'_> {
    const FREE: Self = Self { state: None, carried: None };

    /// The submission was sent.
    pub fn sent(mut self, queue: vk::Queue, submission: Submission) {
        if let (Some(state), Some(_)) = (&mut self.state, self.carried) {
            state.note_sent(queue, submission, None);
        }
    }
}

/// Takes over a submission that does nothing but upload, or nothing at all; false where it has to be sent.
pub unsafe fn take<B: Batch>(d: &Device, batches: &[B], fence: vk::Fence) -> bool {
    // SAFETY: by valid usage of the submission.
    unsafe {
        let held = |c| command_buffer::held(c).is_some();
        if !settings::get().uploads || !batches.iter().all(|b| b.is_plain() && b.buffers().all(held)) {
            return false;
        }
        // Held from here on, so that no updates are sent meanwhile that would have to be waited for.
        let mut state = d.uploads.state.lock();
        // A lost host is told of by the way that sends.
        if !queue::all_idle(d) || d.connection().ring.check().is_err() {
            return false;
        }
        let buffers = || batches.iter().flat_map(|b| b.buffers());
        let copies = || buffers().filter_map(|c| command_buffer::held(c)).flatten();
        if copies().next().is_some() {
            // Everything has ended.
            state.sent = None;
            if !state.add_all(copies()) {
                return false;
            }
            trace::instant("upload taken", state.data.len() as u64);
            d.uploads.any.store(true, Ordering::Release);
            buffers().for_each(|c| command_buffer::forget_held(c));
        }
        fence::signal(fence);
    }
    true
}

/// Waits for the turn of a submission to `queue`: until the uploads that it may rely on are in place, or travel with it. `waits` says
/// whether it waits for semaphores, and `carries` whether a command buffer may go in front of it.
pub unsafe fn before<'a>(d: &'a Device, queue: vk::Queue, waits: bool, carries: bool) -> Result<Turn<'a>, vk::Result> {
    if !d.uploads.any.load(Ordering::Acquire) {
        return Ok(Turn::FREE);
    }
    let failed = |e: Error| result_of_error(&e);
    loop {
        let mut state = d.uploads.state.lock();
        state.forget_ended();
        if !state.updates.is_empty() {
            // SAFETY: queues of a living device.
            unsafe {
                // Behind work that isn't over the data might have to wait for the program.
                let here = queue::can_copy(queue) && Queue::of(queue).is_idle();
                if here && carries && !waits {
                    let carried = Some(state.record(queue).map_err(failed)?);
                    return Ok(Turn { state: Some(state), carried });
                }
                state.send(d, if here { Some(queue) } else { None }).map_err(failed)?;
            }
        }
        let Some(sent) = &mut state.sent else {
            d.uploads.any.store(false, Ordering::Release);
            return Ok(Turn::FREE);
        };
        let same = sent.queue == queue;
        if same && !waits {
            return Ok(Turn::FREE);
        }
        // SAFETY: a queue of a living device.
        let mark = unsafe { sent.marked() }.map_err(failed)?;
        if same {
            return Ok(Turn::FREE);
        }
        drop(state);
        match mark.wait() {
            vk::Result::SUCCESS => {}
            e => return Err(e),
        }
    }
}

/// What memory and buffers tell uploads.
pub struct Observer;

impl Pending for Observer {
    unsafe fn before_memory(&self, device: vk::Device, memory: vk::DeviceMemory) {
        // SAFETY: by contract.
        unsafe { finish(device, |u| u.memory == memory) };
    }

    unsafe fn before_buffer_ends(&self, device: vk::Device, buffer: vk::Buffer) {
        // SAFETY: by contract.
        unsafe { finish(device, |u| u.buffer == buffer) };
    }
}

/// Waits until the uploads that `concerns` tells of are in place. A lost host keeps nobody.
pub unsafe fn finish(device: vk::Device, concerns: impl Fn(&Update) -> bool) {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if !d.uploads.any.load(Ordering::Acquire) {
        return;
    }
    let mut state = d.uploads.state.lock();
    state.forget_ended();
    if state.updates.iter().any(&concerns) {
        // SAFETY: queues of a living device.
        if let Err(e) = unsafe { state.send(d, None) } {
            crate::base::log::error!("an upload couldn't be sent: {e}");
            state.updates.retain(|u| !concerns(u));
        }
    }
    let concerned = state.sent.as_mut().filter(|s| s.updates.iter().any(&concerns));
    // SAFETY: a queue of a living device.
    let mark = concerned.and_then(|s| unsafe { s.marked() }.ok());
    drop(state);
    if let Some(mark) = mark {
        let _ = mark.wait();
    }
}

/// Forgets what is left, while the device is still there.
pub unsafe fn close(device: vk::Device) {
    // SAFETY: a valid device, whose work is over.
    drop(std::mem::take(&mut *unsafe { Device::of(device) }.uploads.state.lock()));
}

impl Sent {
    /// A fence that is signalled after the updates, and doesn't depend on what is submitted from now on.
    unsafe fn marked(&mut self) -> Result<Arc<Mark>, Error> {
        if let Some(mark) = &self.mark {
            return Ok(mark.clone());
        }
        // SAFETY: a queue of a living device.
        unsafe {
            let mark = Arc::new(Mark::new(Queue::of(self.queue).device)?);
            self.submission = queue::submit_own(self.queue, None, mark.fence)?;
            self.mark = Some(mark.clone());
            Ok(mark)
        }
    }
}

impl State {
    fn forget_ended(&mut self) {
        if self.sent.as_ref().is_some_and(|s| s.submission.ended()) {
            self.sent = None;
        }
    }

    fn note_sent(&mut self, queue: vk::Queue, submission: Submission, mark: Option<Arc<Mark>>) {
        let updates = std::mem::take(&mut self.updates);
        self.data.clear();
        self.sent = Some(Sent { queue, submission, mark, updates });
    }

    /// Takes all of some copies, or none that matters: those that had been taken already are copied once more when they are sent.
    fn add_all<'c>(&mut self, mut copies: impl Iterator<Item = &'c CopyCommand>) -> bool {
        let before = (self.updates.len(), self.data.len());
        if copies.all(|c| self.add(c)) {
            return true;
        }
        self.updates.truncate(before.0);
        self.data.truncate(before.1);
        false
    }

    /// Takes what a copy would put into a buffer, if it can be taken.
    fn add(&mut self, c: &CopyCommand) -> bool {
        let r = &c.region;
        let fits = (1..=PIECE).contains(&r.size) && r.size.is_multiple_of(4) && r.dst_offset.is_multiple_of(4);
        let Some((from, to)) = buffer::place(c.from).zip(buffer::place(c.to)).filter(|_| fits) else { return false };
        let (size, data) = (r.size as usize, self.data.len());
        if self.updates.len() >= PIECES || data + size > BYTES || !memory::out_of_sight(to.0) {
            return false;
        }
        let places = from.1.checked_add(r.src_offset).zip(to.1.checked_add(r.dst_offset));
        let Some((source, place)) = places else { return false };
        self.data.resize(data + size, 0);
        let read = self.data.get_mut(data..).is_some_and(|to| memory::read(from.0, source, to));
        if !read {
            self.data.truncate(data);
            return false;
        }
        let update = Update { buffer: c.to, memory: to.0, offset: r.dst_offset, place, data, size, ordered: false };
        self.put(update);
        true
    }

    /// Puts an update, whose data is the last, behind the others. Where it overlaps earlier ones they are changed instead, if that will do:
    /// a barrier in between takes a GPU some microseconds.
    fn put(&mut self, mut new: Update) {
        let mut overlapping = self.updates.iter().filter(|u| u.overlaps(&new));
        if let (Some(only), None) = (overlapping.next(), overlapping.next())
            && only.covers(&new)
        {
            let at = only.data + (new.place - only.place) as usize;
            self.data.copy_within(new.data.., at);
            self.data.truncate(new.data);
            return;
        }
        // A barrier before one that goes stays, before the next one.
        let mut barrier = false;
        self.updates.retain_mut(|u| {
            u.ordered |= std::mem::take(&mut barrier);
            let goes = new.covers(u);
            barrier = goes && u.ordered;
            !goes
        });
        let unordered = self.updates.iter().rposition(|u| u.ordered).unwrap_or(0);
        new.ordered = barrier || self.updates.iter().skip(unordered).any(|u| u.overlaps(&new));
        self.updates.push(new);
    }

    /// Records the updates into a command buffer for `queue`.
    unsafe fn record(&mut self, queue: vk::Queue) -> Result<vk::CommandBuffer, Error> {
        use vk::{AccessFlags as A, PipelineStageFlags as S};
        // SAFETY: a queue of a living device; the command buffer is this queue's own, and what it was used for before has ended, since
        // nothing was taken until then.
        unsafe {
            let buffer = self.carrier(queue)?;
            let info = vk::CommandBufferBeginInfo {
                flags: vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT,
                ..Default::default()
            };
            let checked = |result| if result == vk::Result::SUCCESS { Ok(()) } else { Err(Error::OutOfHostMemory) };
            checked(command_buffer::begin_command_buffer(buffer, &info))?;
            let barrier = |after: S, access: A| {
                let (none, order) = (std::ptr::null(), vk::MemoryBarrier::default());
                let order = order.src_access_mask(A::TRANSFER_WRITE).dst_access_mask(access);
                let (flags, images) = (vk::DependencyFlags::empty(), std::ptr::null());
                command_buffer::record(buffer, |w| {
                    request::cmd_pipeline_barrier(
                        w,
                        0,
                        buffer,
                        S::TRANSFER,
                        after,
                        flags,
                        1,
                        &order,
                        0,
                        none,
                        0,
                        images,
                    );
                });
            };
            for u in &self.updates {
                if u.ordered {
                    barrier(S::TRANSFER, A::TRANSFER_WRITE);
                }
                let Some(data) = self.data.get(u.data..u.data + u.size) else { return Err(Error::OutOfHostMemory) };
                command_buffer::record(buffer, |w| {
                    request::cmd_update_buffer(w, 0, buffer, u.buffer, u.offset, u.size as u64, data.as_ptr().cast());
                });
            }
            barrier(S::ALL_COMMANDS, A::MEMORY_READ | A::MEMORY_WRITE);
            checked(command_buffer::end_command_buffer(buffer))?;
            Ok(buffer)
        }
    }

    /// Sends the updates in a submission of their own, to `queue` or to one that has nothing to do.
    unsafe fn send(&mut self, d: &Device, queue: Option<vk::Queue>) -> Result<(), Error> {
        // SAFETY: queues of a living device.
        unsafe {
            let copies = || d.queues().iter().copied().filter(|q| queue::can_copy(*q));
            let idle = || copies().find(|q| Queue::of(*q).is_idle());
            // Some queue can copy: the one that the uploads were submitted to.
            let queue = queue.or_else(idle).or_else(|| copies().next()).ok_or(Error::OutOfHostMemory)?;
            let carried = self.record(queue)?;
            let mark = Arc::new(Mark::new(Queue::of(queue).device)?);
            let submission = queue::submit_own(queue, Some(carried), mark.fence)?;
            self.note_sent(queue, submission, Some(mark));
        }
        Ok(())
    }

    /// The command buffer for updates on `queue`.
    unsafe fn carrier(&mut self, queue: vk::Queue) -> Result<vk::CommandBuffer, Error> {
        if let Some((_, buffer)) = self.carriers.iter().find(|(q, _)| *q == queue) {
            return Ok(*buffer);
        }
        // SAFETY: a queue of a living device.
        let buffer = unsafe {
            {
                let q = Queue::of(queue);
                Device::of(q.device).own.command_buffer(q.device, q.family)?
            }
        };
        self.carriers.push((queue, buffer));
        Ok(buffer)
    }
}

impl Update {
    fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |a: &Self, b: &Self| a.place + a.size as u64 <= b.place;
        self.memory == other.memory && !ends_before(self, other) && !ends_before(other, self)
    }

    /// Whether it writes all that the other one writes.
    fn covers(&self, other: &Self) -> bool {
        let end = |u: &Self| u.place + u.size as u64;
        self.memory == other.memory && self.place <= other.place && end(other) <= end(self)
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    fn at(memory: u64, place: u64, size: usize, data: usize) -> Update {
        let memory = vk::DeviceMemory::from_raw(memory);
        Update { buffer: vk::Buffer::null(), memory, offset: 0, place, data, size, ordered: false }
    }

    #[test]
    fn overlapping_updates_are_told_apart() {
        let a = at(7, 16, 16, 0);
        for (place, size) in [(16, 16), (0, 64), (20, 4), (31, 4), (13, 4)] {
            assert!(a.overlaps(&at(7, place, size, 0)), "{place} {size}");
        }
        assert!(!a.overlaps(&at(7, 0, 16, 0)) && !a.overlaps(&at(7, 32, 16, 0)) && !a.overlaps(&at(8, 16, 16, 0)));
        assert!(
            a.covers(&at(7, 20, 12, 0)) && a.covers(&a) && !a.covers(&at(7, 20, 16, 0)) && !a.covers(&at(8, 20, 4, 0))
        );
    }

    /// What memory holds after all updates, in their order, against plain writes to it.
    #[test]
    fn updates_end_in_what_the_writes_would() {
        let mut random = 1u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % n
        };
        for round in 0..2000 {
            let (mut state, mut plain) = (State::default(), [0u8; 64]);
            for write in 1..=12 {
                let place = next(60);
                let size = 1 + next(64 - place).min(next(24));
                let data = state.data.len();
                state.data.resize(data + size as usize, write);
                plain[place as usize..(place + size) as usize].fill(write);
                state.put(at(7, place, size as usize, data));
            }
            let (mut memory, mut since_barrier) = ([0u8; 64], Vec::<Update>::new());
            for u in &state.updates {
                if u.ordered {
                    since_barrier.clear();
                }
                assert!(!since_barrier.iter().any(|e| e.overlaps(u)), "no order between updates in round {round}");
                since_barrier.push(*u);
                memory[u.place as usize..u.place as usize + u.size]
                    .copy_from_slice(&state.data[u.data..u.data + u.size]);
            }
            assert_eq!(memory, plain, "round {round}");
        }
    }

    #[test]
    fn the_same_place_again_needs_no_barrier() {
        let mut state = State::default();
        for i in 0..100u8 {
            let data = state.data.len();
            state.data.resize(data + 16, i);
            state.put(at(7, 32, 16, data));
        }
        assert_eq!((state.updates.len(), &state.data[..]), (1, &[99u8; 16][..]));
    }
}

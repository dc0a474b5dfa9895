//! VkQueue: submissions, and waiting until a queue is idle.

use std::ptr;
use std::sync::Arc;

use ash::vk;
use hesper_encoder::Writer;
use hesper_encoder::generated::{request, types};
use hesper_winsys::{Error, Seqno};
use parking_lot::Mutex;

use crate::base::chain::slice;
use crate::base::forwarding::{done, result_of_error};
use crate::base::object::{self, Object, Part, Whole, part};
use crate::base::progress::{Progress, Submission};
use crate::base::slab::fresh_id;
use crate::pipelines::compiling;
use crate::recording::command_buffer;
use crate::recording::query;
use crate::submission::batch::{Batch, with_own};
use crate::submission::device::Device;
use crate::submission::upload;
use crate::sync::fence;

/// What a VkQueue points at.
#[repr(C)]
pub struct Queue {
    object: Object,
    pub device: vk::Device,
    pub family: u32,
    index: u32,
    flags: vk::DeviceQueueCreateFlags,
    /// Its timeline in the context (WIRE.md 7.1).
    pub timeline: u32,
    /// What a wait for idleness waits for.
    idle: Mutex<Option<vk::Fence>>,
    /// Submissions so far: held while one is sent, so that the host gets them in the order of their numbers.
    submitted: Mutex<u64>,
    /// How many of them are known to have ended.
    progress: Arc<Progress>,
}
part!(vk::Queue, Queue, object: Object);
// SAFETY: all that is behind a VkQueue.
unsafe impl Whole for Queue {}

impl Queue {
    /// Whether everything submitted is known to have ended.
    pub fn is_idle(&self) -> bool {
        self.progress.reached(*self.submitted.lock())
    }

    /// Sends the next submission to the queue.
    unsafe fn submit(
        &self,
        fence: vk::Fence,
        send: impl FnOnce(&Submission) -> Result<Seqno, Error>,
    ) -> (Submission, Result<Seqno, Error>) {
        let mut submitted = self.submitted.lock();
        *submitted += 1;
        let submission = Submission::new(&self.progress, *submitted);
        let sent = send(&submission);
        fence::submitted(fence, &sent, submission.clone());
        (submission, sent)
    }

    /// Destroys what was made for waiting.
    pub unsafe fn destroy_idle_fence(&self, device: vk::Device) {
        if let Some(f) = self.idle.lock().take() {
            // SAFETY: the queue is going away, nobody waits on it.
            unsafe { fence::destroy_fence(device, f, ptr::null()) };
        }
    }
}

/// Fetches a queue of a new device.
pub unsafe fn fetch(device: vk::Device, info: &vk::DeviceQueueCreateInfo, index: u32) -> Result<vk::Queue, Error> {
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    let timeline = connection.take_timeline()?;
    let queue = Queue {
        object: Object::new(fresh_id(), connection.clone()),
        device,
        family: info.queue_family_index,
        index,
        flags: info.flags,
        timeline,
        idle: Mutex::new(None),
        submitted: Mutex::new(0),
        progress: Arc::default(),
    };
    let mut queue: vk::Queue = Box::new(queue).into_handle();
    let on = types::DeviceQueueTimelineInfoMESA { ring_idx: timeline, ..Default::default() };
    let which = vk::DeviceQueueInfo2 {
        p_next: (&raw const on).cast(),
        flags: info.flags,
        queue_family_index: info.queue_family_index,
        queue_index: index,
        ..Default::default()
    };
    let out = &raw mut queue;
    // SAFETY: pointers to locals.
    connection.send(|w| unsafe { request::get_device_queue2(w, 0, device, &which, out) })?;
    Ok(queue)
}

pub unsafe fn get_device_queue(device: vk::Device, family: u32, index: u32, to: *mut vk::Queue) {
    let info = vk::DeviceQueueInfo2 { queue_family_index: family, queue_index: index, ..Default::default() };
    // SAFETY: by valid usage.
    unsafe { get_device_queue2(device, &info, to) };
}

pub unsafe fn get_device_queue2(device: vk::Device, info: *const vk::DeviceQueueInfo2, to: *mut vk::Queue) {
    // SAFETY: by valid usage.
    unsafe {
        let info = &*info;
        let wanted = |q: &&vk::Queue| {
            let q = Queue::of(**q);
            (q.family, q.index, q.flags) == (info.queue_family_index, info.queue_index, info.flags)
        };
        *to = Device::of(device).queues().iter().find(wanted).copied().unwrap_or_default();
    }
}

pub unsafe fn queue_submit(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo, fence: vk::Fence) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        submit(queue, slice(submits, n), fence, |w, batches| {
            request::queue_submit(w, 0, queue, batches.len() as u32, batches.as_ptr(), fence);
        })
    }
}

pub unsafe fn queue_submit2(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo2, fence: vk::Fence) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        submit(queue, slice(submits, n), fence, |w, batches| {
            request::queue_submit2(w, 0, queue, batches.len() as u32, batches.as_ptr(), fence);
        })
    }
}

unsafe fn submit<B: Batch>(
    queue: vk::Queue,
    batches: &[B],
    fence: vk::Fence,
    encode: impl FnOnce(&mut Writer, &[B]),
) -> vk::Result {
    // SAFETY: by valid usage of the submission.
    unsafe {
        let q = Queue::of(queue);
        let d = Device::of(q.device);
        if upload::take(d, batches, fence) {
            return vk::Result::SUCCESS;
        }
        d.store.settle(q.device);
        if compiling::any() {
            compiling::look();
        }
        for c in batches.iter().flat_map(|b| b.buffers()) {
            if let Err(e) = command_buffer::send_held(c) {
                return result_of_error(&e);
            }
        }
        let writer = writer(queue, batches, fence);
        let waits = batches.iter().any(Batch::waits);
        let carries = batches.first().is_some_and(Batch::takes_more);
        let turn = match upload::before(d, queue, waits, carries) {
            Ok(turn) => turn,
            Err(e) => return e,
        };
        let (mut changed, mut rooms) = (Vec::new(), [Vec::new(), Vec::new()]);
        let batches = if turn.carried.is_some() || writer.is_some() {
            with_own(batches, turn.carried, writer, &mut changed, &mut rooms);
            &changed[..]
        } else {
            batches
        };
        let (submission, sent) = q.submit(fence, |submission| {
            for b in batches {
                query::submitting(b.buffers(), submission);
            }
            q.connection().send(|w| encode(w, batches))
        });
        if writer.is_some() && sent.is_ok() {
            fence::told(fence);
        }
        turn.sent(queue, submission);
        done(sent)
    }
}

/// A command buffer that tells of the submission's end, where that is wanted (`feedback`).
unsafe fn writer<B: Batch>(queue: vk::Queue, batches: &[B], fence: vk::Fence) -> Option<vk::CommandBuffer> {
    // SAFETY: by valid usage of the submission.
    unsafe {
        let q = Queue::of(queue);
        let device = q.device;
        if !fence::wants_slot(Device::of(device), fence) {
            return None;
        }
        // Semaphores are signalled after all command buffers, and fences after semaphores.
        let suits = batches.last()?.takes_more() && !batches.iter().any(Batch::signals) && can_copy(queue);
        if !suits {
            return None;
        }
        fence::slot(device, fence)?.writer(&Device::of(device).own, device, q.family).ok()
    }
}

/// Submits a command buffer of the driver's own, or nothing, and signals a fence afterwards.
pub unsafe fn submit_own(
    queue: vk::Queue,
    command_buffer: Option<vk::CommandBuffer>,
    fence: vk::Fence,
) -> Result<Submission, Error> {
    // SAFETY: by contract.
    unsafe {
        let q = Queue::of(queue);
        let buffers = command_buffer.as_slice();
        let batch = vk::SubmitInfo::default().command_buffers(buffers);
        let n = buffers.len() as u32;
        let (submission, sent) =
            q.submit(fence, |_| q.connection().send(|w| request::queue_submit(w, 0, queue, n, &batch, fence)));
        sent.map(|_| submission)
    }
}

/// Whether everything that was submitted to a device is known to have ended.
pub fn all_idle(d: &Device) -> bool {
    // SAFETY: a device's queues live as long as it does.
    d.queues().iter().all(|q| unsafe { Queue::of(*q) }.is_idle())
}

/// Whether a queue runs copies (Vulkan specification, vkCmdUpdateBuffer).
pub unsafe fn can_copy(queue: vk::Queue) -> bool {
    use vk::QueueFlags as F;
    // SAFETY: a device's queues live as long as it does.
    unsafe {
        let q = Queue::of(queue);
        let families = &Device::of(q.device).physical().families;
        families
            .get(q.family as usize)
            .is_some_and(|f| f.queue_flags.intersects(F::GRAPHICS | F::COMPUTE | F::TRANSFER))
    }
}

pub unsafe fn queue_bind_sparse(
    queue: vk::Queue,
    n: u32,
    infos: *const vk::BindSparseInfo,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let q = Queue::of(queue);
        // Binding may wait for semaphores.
        if let Err(e) = upload::before(Device::of(q.device), queue, true, false) {
            return e;
        }
        let (_, sent) = q.submit(vk::Fence::null(), |_| {
            q.connection().send(|w| request::queue_bind_sparse(w, 0, queue, n, infos, fence))
        });
        // Binding isn't ordered with command buffers: its end says nothing of theirs.
        fence::submitted(fence, &sent, Submission::default());
        done(sent)
    }
}

pub unsafe fn queue_wait_idle(queue: vk::Queue) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let q = Queue::of(queue);
        // Taken out, so that the lock isn't held over the wait; a second thread makes a fence of its own.
        let taken = q.idle.lock().take();
        let fence = match taken {
            Some(f) => f,
            None => {
                let (info, mut f) = (vk::FenceCreateInfo::default(), vk::Fence::null());
                match fence::create_fence(q.device, &info, ptr::null(), &mut f) {
                    vk::Result::SUCCESS => f,
                    e => return e,
                }
            }
        };
        let mut result = queue_submit(queue, 0, ptr::null(), fence);
        if result == vk::Result::SUCCESS {
            result = fence::wait_for_fences(q.device, 1, &fence, vk::TRUE, u64::MAX);
        }
        if result == vk::Result::SUCCESS {
            result = fence::reset_fences(q.device, 1, &fence);
        }
        if let Some(other) = q.idle.lock().replace(fence) {
            fence::destroy_fence(q.device, other, ptr::null());
        }
        result
    }
}

//! VkQueue: submissions, and waiting until a queue is idle.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use ash::vk;
use hesper_encoder::generated::{request, types};
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::chain::slice;
use crate::compiling;
use crate::fence;
use crate::forwarding::done;
use crate::object::{self, Object, dispatchable};
use crate::pipeline_store;
use crate::query;
use crate::slab::fresh_id;

/// What a VkQueue points at.
#[repr(C)]
pub struct Queue {
    object: Object,
    pub device: vk::Device,
    family: u32,
    index: u32,
    flags: vk::DeviceQueueCreateFlags,
    /// Its timeline in the context (WIRE.md 7.1).
    pub timeline: u32,
    /// What a wait for idleness waits for.
    idle: Mutex<Option<vk::Fence>>,
    /// Submissions so far, and how many of them are known to have ended.
    submitted: AtomicU64,
    ended: AtomicU64,
}
dispatchable!(vk::Queue, Queue);

/// One submission to a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub queue: vk::Queue,
    number: u64,
}

impl Submission {
    /// Whether it is known to have ended.
    pub fn ended(&self) -> bool {
        // SAFETY: a device's queues live as long as it does, and so do the objects that keep submissions.
        self.queue == vk::Queue::null()
            || unsafe { object::get(self.queue) }.ended.load(Ordering::Acquire) >= self.number
    }

    /// Notes that it has ended, and with it all before: a fence is signalled after everything submitted earlier to its queue
    /// (Vulkan specification, "Implicit Synchronization Guarantees").
    pub fn end(&self) {
        if self.queue != vk::Queue::null() {
            // SAFETY: as above.
            unsafe { object::get(self.queue) }.ended.fetch_max(self.number, Ordering::AcqRel);
        }
    }
}

impl Queue {
    fn next_submission(&self, queue: vk::Queue) -> Submission {
        Submission { queue, number: self.submitted.fetch_add(1, Ordering::Relaxed) + 1 }
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
        submitted: AtomicU64::new(0),
        ended: AtomicU64::new(0),
    };
    let mut queue: vk::Queue = object::into_handle(Box::new(queue));
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
            let q = object::get(**q);
            (q.family, q.index, q.flags) == (info.queue_family_index, info.queue_index, info.flags)
        };
        *to = object::get(device).queues.iter().find(wanted).copied().unwrap_or_default();
    }
}

pub unsafe fn queue_submit(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo, fence: vk::Fence) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let q = object::get(queue);
        pipeline_store::settle(q.device);
        if compiling::any() {
            compiling::look();
        }
        let submission = q.next_submission(queue);
        for s in slice(submits, n) {
            query::submitting(slice(s.p_command_buffers, s.command_buffer_count).iter().copied(), submission);
        }
        let sent = q.connection().send(|w| request::queue_submit(w, 0, queue, n, submits, fence));
        fence::submitted(fence, &sent, submission);
        done(sent)
    }
}

pub unsafe fn queue_submit2(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo2, fence: vk::Fence) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let q = object::get(queue);
        pipeline_store::settle(q.device);
        if compiling::any() {
            compiling::look();
        }
        let submission = q.next_submission(queue);
        for s in slice(submits, n) {
            let infos = slice(s.p_command_buffer_infos, s.command_buffer_info_count);
            query::submitting(infos.iter().map(|c| c.command_buffer), submission);
        }
        let sent = q.connection().send(|w| request::queue_submit2(w, 0, queue, n, submits, fence));
        fence::submitted(fence, &sent, submission);
        done(sent)
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
        let sent = object::get(queue).connection().send(|w| request::queue_bind_sparse(w, 0, queue, n, infos, fence));
        // Binding isn't ordered with command buffers.
        fence::submitted(fence, &sent, Submission::default());
        done(sent)
    }
}

pub unsafe fn queue_wait_idle(queue: vk::Queue) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let q = object::get(queue);
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

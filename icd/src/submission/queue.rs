//! VkQueue.

use std::sync::Arc;

use ash::vk;
use hesper_encoder::generated::{request, types};
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::base::object::{Object, Part, Whole, part};
use crate::base::progress::{Progress, Submission};
use crate::base::slab::fresh_id;
use crate::submission::device::Device;
use crate::submission::host_queues;
use crate::submission::order::Locked;
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
    /// Its place in the device's order of submissions.
    pub place: usize,
    /// Whether it runs copies (Vulkan specification, vkCmdUpdateBuffer).
    pub can_copy: bool,
    /// Fences of the driver's own that nothing will signal any more, for the next wait.
    pub fences: Mutex<Vec<vk::Fence>>,
    /// Fences of the driver's own that may still be signalled: behind sparse bindings that the program gave none, and of marks that nobody needs any more.
    pub pending: Arc<Mutex<Vec<vk::Fence>>>,
    /// The last submission whose end commands behind it don't tell of: one that waits for semaphores, at stages which later commands may not have, or binds sparse
    /// memory. Until it has ended, fences have no slot (`sync::feedback`).
    pub unordered: Mutex<Submission>,
}
part!(vk::Queue, Queue, object: Object);
// SAFETY: all that is behind a VkQueue.
unsafe impl Whole for Queue {}

impl Queue {
    /// Submits a batch of the driver's own, and signals a fence afterwards, if there is one.
    ///
    /// # Safety
    /// This queue's handle, the lock of its device, a batch that may be submitted, and a fence that nothing else will signal.
    ///
    /// # Errors
    /// A lost host, or no memory; nothing was submitted then.
    pub unsafe fn submit_own(
        &self,
        locked: &mut Locked<'_>,
        handle: vk::Queue,
        batch: &vk::SubmitInfo<'_>,
        fence: vk::Fence,
    ) -> Result<Submission, Error> {
        let waits = batch.wait_semaphore_count > 0;
        let batch: *const vk::SubmitInfo = std::ptr::from_ref(batch).cast();
        let (submission, _) = locked.number(self.place, |_| {
            // SAFETY: by contract, and pointers to locals.
            self.connection().send_for_outcome("vkQueueSubmit", |w, flags| unsafe {
                request::queue_submit(w, flags, handle, 1, batch, fence);
            })
        })?;
        if waits {
            submission.note_wait();
        }
        fence::submitted(fence, submission.clone(), self.timeline, locked.work());
        Ok(submission)
    }

    /// Destroys the fences of the driver's own, when nothing waits for the queue any more.
    ///
    /// # Safety
    /// This queue's device, whose work is over.
    pub unsafe fn destroy_fences(&self, device: vk::Device) {
        for list in [&self.fences, &*self.pending] {
            for f in list.lock().drain(..) {
                // SAFETY: a fence of this device that nobody waits for.
                unsafe { fence::destroy_fence(device, f, std::ptr::null()) };
            }
        }
    }
}

/// Fetches a queue of a new device, which has index `at_host` among the host's queues of its kind.
///
/// # Safety
/// A valid device that no other thread has yet.
///
/// # Errors
/// More than 63 queues, or a lost host.
pub unsafe fn fetch(
    device: vk::Device,
    info: &vk::DeviceQueueCreateInfo,
    index: u32,
    at_host: u32,
) -> Result<vk::Queue, Error> {
    use vk::QueueFlags as F;
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    let connection = d.connection();
    let timeline = connection.timelines.claim()?;
    let family = d.physical().families.get(info.queue_family_index as usize);
    let can_copy = family.is_some_and(|f| f.queue_flags.intersects(F::GRAPHICS | F::COMPUTE | F::TRANSFER));
    let progress: Arc<Progress> = Arc::default();
    let queue = Queue {
        object: Object::new(fresh_id(), connection.clone()),
        device,
        family: info.queue_family_index,
        index,
        flags: info.flags,
        timeline,
        place: d.order.lock().add_queue(progress),
        can_copy,
        fences: Mutex::default(),
        pending: Arc::default(),
        unordered: Mutex::default(),
    };
    let mut queue: vk::Queue = Box::new(queue).into_handle();
    let on = types::DeviceQueueTimelineInfoMESA { ring_idx: timeline, ..Default::default() };
    let which = vk::DeviceQueueInfo2 {
        p_next: (&raw const on).cast(),
        flags: host_queues::flags(info),
        queue_family_index: info.queue_family_index,
        queue_index: at_host,
        ..Default::default()
    };
    let out = &raw mut queue;
    // SAFETY: pointers to locals.
    connection.send(|w| unsafe { request::get_device_queue2(w, 0, device, &which, out) })?;
    Ok(queue)
}

pub unsafe fn get_device_queue(device: vk::Device, family: u32, index: u32, to: *mut vk::Queue) {
    let info = vk::DeviceQueueInfo2 { queue_family_index: family, queue_index: index, ..Default::default() };
    // SAFETY: the entry point's parameters, and a pointer to a local.
    unsafe { get_device_queue2(device, &info, to) };
}

pub unsafe fn get_device_queue2(device: vk::Device, info: *const vk::DeviceQueueInfo2, to: *mut vk::Queue) {
    // SAFETY: a valid device, info and output of the entry point's; a device's queues live as long as it does.
    unsafe {
        let info = &*info;
        let wanted = |q: &&vk::Queue| {
            let q = Queue::of(**q);
            (q.family, q.index, q.flags) == (info.queue_family_index, info.queue_index, info.flags)
        };
        *to = Device::of(device).queues().iter().find(wanted).copied().unwrap_or_default();
    }
}

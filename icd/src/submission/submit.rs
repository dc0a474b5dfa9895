//! vkQueueSubmit and vkQueueSubmit2.

use ash::vk;
use hesper_encoder::Writer;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::result_of_error;
use crate::base::object::Part;
use crate::base::progress::Work;
use crate::pipelines::compiling;
use crate::recording::{command_buffer, event_wait, query_resets};
use crate::submission::batch::{Batch, with_own};
use crate::submission::device::Device;
use crate::submission::order::{Locked, Uploads};
use crate::submission::queue::Queue;
use crate::submission::{carrier, outside, upload};
use crate::sync::binary_semaphores::Use;
use crate::sync::{fence, fence_files};

pub unsafe fn queue_submit(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo, fence: vk::Fence) -> vk::Result {
    // SAFETY: the entry point's parameters.
    unsafe {
        submit(queue, slice(submits, n), fence, |w, flags, batches| {
            request::queue_submit(w, flags, queue, batches.len() as u32, batches.as_ptr(), fence);
        })
    }
}

pub unsafe fn queue_submit2(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo2, fence: vk::Fence) -> vk::Result {
    // SAFETY: the entry point's parameters.
    unsafe {
        submit(queue, slice(submits, n), fence, |w, flags, batches| {
            request::queue_submit2(w, flags, queue, batches.len() as u32, batches.as_ptr(), fence);
        })
    }
}

unsafe fn submit<B: Batch>(
    handle: vk::Queue,
    batches: &[B],
    fence: vk::Fence,
    encode: impl FnOnce(&mut Writer, u32, &[B]),
) -> vk::Result {
    // SAFETY: a valid queue, whose device is alive.
    let (queue, device) = unsafe {
        let queue = Queue::of(handle);
        (queue, Device::of(queue.device))
    };
    // SAFETY: a valid device.
    unsafe { device.store.settle(queue.device) };
    // SAFETY: command buffers of the submission.
    let may_wait =
        batches.iter().any(Batch::waits) || buffers(batches).any(|c| unsafe { event_wait::waits_for_events(c) });
    compiling::before_submission(queue.device, may_wait);
    let uses = || batches.iter().flat_map(|b| uses_of(b));
    // SAFETY: a valid device and fence.
    if let Err(e) = unsafe { fence_files::before_submission(queue.device, fence) } {
        return e;
    }
    let mut taken = match outside::wait_outside(device, uses()) {
        Ok(taken) => taken,
        Err(e) => return e,
    };
    // SAFETY: a valid device, whose lock isn't taken yet.
    unsafe { device.staging.prepare(queue.device) };
    // SAFETY: command buffers of the submission.
    let copies = buffers(batches).all(|c| unsafe { command_buffer::held_copies(c) }.is_some());
    // Behind an empty submission stands what came before it.
    let work = buffers(batches).next().map(|_| if copies { Work::Copies } else { Work::Any });
    // Before the lock is taken: memory for slots is mapped, which takes the lock, too.
    // SAFETY: a valid queue, batches and fence.
    let slot_writer = unsafe { slot_writer(device, queue, batches, fence, work) };
    let mut locked = device.order.lock();
    // SAFETY: a valid queue and batches.
    if unsafe { upload::put_off(&mut locked, handle, queue, batches) } {
        fence::signal(fence);
        return vk::Result::SUCCESS;
    }
    let goes_on = work == Some(Work::Any);
    let work = match work {
        Some(work) => locked.add_work(work),
        None => locked.work(),
    };
    // SAFETY: command buffers of the submission.
    if let Err(e) = buffers(batches).try_for_each(|c| unsafe { command_buffer::send_held(c) }) {
        return result_of_error(&e);
    }
    // Only the first batch's chain matters: a command buffer in front of it is in front of all.
    let carries = !may_wait && batches.first().is_some_and(Batch::allows_more_buffers);
    // SAFETY: a valid queue.
    locked = match unsafe { make_way(device, locked, handle, queue, may_wait, carries, true) } {
        Ok(locked) => locked,
        Err(e) => return e,
    };
    // SAFETY: the lock of the queue's device.
    if let Err(e) = unsafe { outside::stand_in(&mut locked, queue, handle, &mut taken) } {
        return result_of_error(&e);
    }
    // SAFETY: the lock of the queue's device, which is held until the submission is sent.
    let carrier = match unsafe { carrier::record(&mut locked, queue) } {
        Ok(carrier) => carrier,
        Err(e) => return result_of_error(&e),
    };
    let wait = match locked.uploads() {
        Uploads::Sent(sent) if sent.queue != handle => sent.signals.map(B::Wait::from),
        _ => None,
    };
    // Another thread may have submitted to the same queue since it was looked at.
    let slot_writer = slot_writer.filter(|_| queue.unordered.lock().ended());
    let (mut changed, mut rooms) = (Vec::new(), [Vec::new(), Vec::new()]);
    let batches = if carrier.is_some() || slot_writer.is_some() || wait.is_some() {
        changed.extend(wait.as_ref().map(B::waiting));
        // SAFETY: valid batches; `changed` and `rooms` outlive the encoding.
        unsafe { with_own(batches, carrier, slot_writer, &mut changed, &mut rooms) };
        &changed[..]
    } else {
        batches
    };
    let sent = locked.number(queue.place, |submission| {
        // SAFETY: command buffers of the submission.
        batches.iter().for_each(|b| unsafe { query_resets::submitting(b.buffers(), submission) });
        queue.connection().send_for_outcome(B::COMMAND, |w, flags| encode(w, flags, batches))
    });
    match sent {
        Ok((submission, _)) => {
            if batches.iter().any(Batch::waits) {
                *queue.unordered.lock() = submission.clone();
            }
            match goes_on {
                _ if may_wait || wait.is_some() => submission.note_wait(),
                true => submission.note_work(),
                false => {}
            }
            fence::submitted(fence, submission.clone(), queue.timeline, work);
            if slot_writer.is_some() {
                fence::expect_slot(fence);
            }
            if wait.is_some() {
                locked.state.crossing.is_waited_for();
                if let Uploads::Sent(sent) = locked.uploads() {
                    sent.signals = None;
                    sent.followers.push((handle, submission.clone()));
                }
            }
            locked.uploads_sent(handle, submission, None);
            // SAFETY: the lock of the queue's device.
            match unsafe { outside::sent(device, &mut locked, queue, handle, taken, uses()) } {
                Ok(()) => vk::Result::SUCCESS,
                Err(e) => result_of_error(&e),
            }
        }
        // What waits to be uploaded goes with the next one.
        Err(e) => result_of_error(&e),
    }
}

/// The command buffers of all batches.
fn buffers<B: Batch>(batches: &[B]) -> impl Iterator<Item = vk::CommandBuffer> {
    // SAFETY: batches of a submission, whose arrays are valid.
    batches.iter().flat_map(|b| unsafe { b.buffers() })
}

/// The semaphores that a batch uses, in this order.
fn uses_of<B: Batch>(batch: &B) -> impl Iterator<Item = (vk::Semaphore, Use)> {
    // SAFETY: a batch of a submission, whose arrays are valid.
    let (waits, signals) = unsafe { (batch.waited_for(), batch.signaled()) };
    waits.map(|s| (s, Use::Wait)).chain(signals.map(|s| (s, Use::Signal)))
}

/// Whether a submission to a queue is behind the uploads that were sent to another one, or will be by waiting for the semaphore.
fn follows(locked: &mut Locked<'_>, queue: vk::Queue) -> bool {
    match locked.uploads() {
        Uploads::Sent(sent) if sent.queue != queue => {
            sent.signals.is_some() || sent.followers.iter().any(|(q, _)| *q == queue)
        }
        _ => false,
    }
}

/// Waits until a submission to a queue may be sent (the table in `order`): until the uploads that it may rely on are in place, or sent before it
/// to the same queue, or waiting to travel with it, or waited for by a semaphore, where the submission `crosses`. `may_wait` says whether it may wait for what the program does later, and `carries`
/// whether it may take uploads along.
///
/// # Safety
/// A valid queue of the device.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn make_way<'a>(
    device: &'a Device,
    mut locked: Locked<'a>,
    handle: vk::Queue,
    queue: &Queue,
    may_wait: bool,
    carries: bool,
    crosses: bool,
) -> Result<Locked<'a>, vk::Result> {
    let failed = |e| result_of_error(&e);
    loop {
        if let Uploads::Waiting(waiting) = locked.uploads() {
            if carries && queue.can_copy {
                return Ok(locked);
            }
            let across = crosses && waiting.queue != handle;
            // SAFETY: the lock of a living device.
            unsafe { if across { carrier::send_across(&mut locked) } else { carrier::send(&mut locked) } }
                .map_err(failed)?;
        }
        if may_wait {
            // In front of it, whatever its queue: behind it nothing can be told any more until the program has done its part, where queues
            // share one of the hardware's.
            // SAFETY: as above.
            unsafe { carrier::mark(&mut locked) }.map_err(failed)?;
        }
        if crosses && follows(&mut locked, handle) {
            return Ok(locked);
        }
        let Uploads::Sent(sent) = locked.uploads() else { return Ok(locked) };
        let same_queue = sent.queue == handle;
        if same_queue && !may_wait {
            return Ok(locked);
        }
        // SAFETY: as above.
        let mark = unsafe { carrier::mark(&mut locked) }.map_err(failed)?;
        let Some(mark) = mark.filter(|_| !same_queue) else { return Ok(locked) };
        drop(locked);
        match mark.wait() {
            vk::Result::SUCCESS => {}
            e => return Err(e),
        }
        locked = device.order.lock();
    }
}

/// A command buffer that tells of the submission's end, where that is wanted (`sync::feedback`).
///
/// # Safety
/// A valid queue of the device, and batches and a fence by valid usage of the submission.
unsafe fn slot_writer<B: Batch>(
    device: &Device,
    queue: &Queue,
    batches: &[B],
    fence: vk::Fence,
    work: Option<Work>,
) -> Option<vk::CommandBuffer> {
    if !fence::wants_slot(device, fence, work) {
        return None;
    }
    // A fence is signalled after semaphores of the submission, after its waits whatever their stages are, and after everything earlier; commands behind it may not be.
    let suits = batches.last().is_none_or(Batch::allows_more_buffers)
        && !batches.iter().any(|b| b.signals() || b.waits())
        && queue.unordered.lock().ended()
        && queue.can_copy;
    // SAFETY: by contract.
    suits.then(|| unsafe { fence::slot(queue.device, fence)?.writer(&device.own, queue.device, queue.family).ok() })?
}

//! vkQueueBindSparse.
//!
//! Bindings aren't ordered with command buffers, and end out of order. But a fence of vkQueueSubmit is signalled after every fence and semaphore
//! of the queue that was to be signalled earlier (Vulkan specification, "Fences", signal operation order). So a binding always has a fence: one of
//! the driver's own where the program gave none; then what is known to have ended by a later submission's fence covers the binding too, and
//! vkQueueWaitIdle does. (A slot that commands write says nothing of bindings, so there is none until they have ended: `Queue::unordered`.)

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::{done, result_of_error};
use crate::base::object::Part;
use crate::base::progress::{Submission, Work};
use crate::generated::forward;
use crate::pipelines::compiling;
use crate::submission::device::Device;
use crate::submission::outside;
use crate::submission::queue::Queue;
use crate::submission::submit::make_way;
use crate::sync::binary_semaphores::Use;
use crate::sync::{fence, fence_files};

/// Fences of the driver's own behind bindings, beyond which somebody looks whether they were signalled.
const FENCES: usize = 16;

pub unsafe fn queue_bind_sparse(
    handle: vk::Queue,
    n: u32,
    infos: *const vk::BindSparseInfo,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: a valid queue, whose device is alive.
    let (queue, device) = unsafe {
        let queue = Queue::of(handle);
        (queue, Device::of(queue.device))
    };
    // SAFETY: the entry point's array of `n` infos.
    let uses = || unsafe { slice(infos, n) }.iter().flat_map(uses_of);
    // SAFETY: a valid device and fence.
    if let Err(e) = unsafe { fence_files::before_submission(queue.device, fence) } {
        return e;
    }
    let mut taken = match outside::wait_outside(device, uses()) {
        Ok(taken) => taken,
        Err(e) => return e,
    };
    let own = if fence == vk::Fence::null() {
        // SAFETY: a valid device.
        match unsafe { bind_fence(queue) } {
            Ok(own) => Some(own),
            Err(e) => return e,
        }
    } else {
        None
    };
    let signalled = own.unwrap_or(fence);
    // Binding may wait for semaphores, and nothing can travel with it.
    compiling::before_submission(queue.device, true);
    // SAFETY: a valid queue.
    let mut locked = match unsafe { make_way(device, device.order.lock(), handle, queue, true, false, false) } {
        Ok(locked) => locked,
        Err(e) => {
            queue.fences.lock().extend(own);
            return e;
        }
    };
    locked.add_work(Work::Any);
    // SAFETY: the lock of the queue's device.
    let sent = unsafe { outside::stand_in(&mut locked, queue, handle, &mut taken) }.and_then(|()| {
        locked.number(queue.place, |_| {
            // SAFETY: the entry point's parameters.
            queue.connection().send_for_outcome("vkQueueBindSparse", |w, flags| unsafe {
                request::queue_bind_sparse(w, flags, handle, n, infos, signalled);
            })
        })
    });
    match sent {
        Ok((submission, seqno)) => {
            submission.note_wait();
            *queue.unordered.lock() = submission;
            // The fence's end says nothing of the submissions before.
            fence::submitted(signalled, Submission::default(), queue.timeline, Work::Any);
            queue.pending.lock().extend(own);
            // SAFETY: the lock of the queue's device.
            done(unsafe { outside::sent(device, &mut locked, queue, handle, taken, uses()) }.map(|()| seqno))
        }
        Err(e) => {
            queue.fences.lock().extend(own);
            result_of_error(&e)
        }
    }
}

/// The semaphores that a binding uses, in this order.
fn uses_of(info: &vk::BindSparseInfo<'_>) -> impl Iterator<Item = (vk::Semaphore, Use)> {
    // SAFETY: an info of the entry point's, whose arrays are valid.
    let (waits, signals) = unsafe {
        (
            slice(info.p_wait_semaphores, info.wait_semaphore_count),
            slice(info.p_signal_semaphores, info.signal_semaphore_count),
        )
    };
    waits.iter().map(|s| (*s, Use::Wait)).chain(signals.iter().map(|s| (*s, Use::Signal)))
}

/// A fence of the driver's own that isn't signalled.
unsafe fn bind_fence(queue: &Queue) -> Result<vk::Fence, vk::Result> {
    let mut binds = queue.pending.lock();
    if binds.len() >= FENCES {
        // SAFETY: fences of a living device.
        let ended = |f: &mut vk::Fence| unsafe { forward::get_fence_status(queue.device, *f) } == vk::Result::SUCCESS;
        let ended: Vec<vk::Fence> = binds.extract_if(.., ended).collect();
        if !ended.is_empty() {
            // SAFETY: as above; nothing will signal them any more.
            let _ = unsafe { fence::reset_fences(queue.device, ended.len() as u32, ended.as_ptr()) };
        }
        queue.fences.lock().extend(ended);
    }
    drop(binds);
    // SAFETY: a valid device.
    unsafe { own_fence(queue) }
}

/// A fence of the driver's own that isn't signalled.
///
/// # Safety
/// A queue of a living device.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn own_fence(queue: &Queue) -> Result<vk::Fence, vk::Result> {
    if let Some(f) = queue.fences.lock().pop() {
        return Ok(f);
    }
    let (info, mut f) = (vk::FenceCreateInfo::default(), vk::Fence::null());
    // SAFETY: a valid device, and pointers to locals.
    match unsafe { fence::create_fence(queue.device, &info, std::ptr::null(), &mut f) } {
        vk::Result::SUCCESS => Ok(f),
        e => Err(e),
    }
}

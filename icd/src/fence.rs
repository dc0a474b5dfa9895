//! VkFence: what is known of each, and waiting.
//!
//! A fence that was seen signalled is remembered; asking again costs one load. `wait` says how a wait proceeds.

use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{Error, Seqno};
use parking_lot::Mutex;

use crate::chain::slice;
use crate::forwarding::{done, post, result_of};
use crate::generated::forward;
use crate::object;
use crate::queue::Submission;
use crate::slab::Slab;
use crate::wait::{self, Forecast, Spinning};

/// What is known of a fence.
pub struct Fence {
    signaled: AtomicBool,
    forecast: Forecast,
    spinning: Spinning,
    /// What it will be signalled after.
    submission: Mutex<Submission>,
}

impl Fence {
    fn new(signaled: bool) -> Self {
        let signaled = AtomicBool::new(signaled);
        Self { signaled, forecast: Forecast::default(), spinning: Spinning::default(), submission: Mutex::default() }
    }

    /// Notes that it was seen signalled.
    fn seen(&self) {
        self.signaled.store(true, Ordering::Release);
        self.submission.lock().end();
    }
}

static FENCES: Slab<Fence> = Slab::new(1);

pub unsafe fn create_fence(
    device: vk::Device,
    info: *const vk::FenceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Fence,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let signaled = (*info).flags.contains(vk::FenceCreateFlags::SIGNALED);
        let Some(id) = FENCES.insert(Fence::new(signaled)) else {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        };
        *to = vk::Fence::from_raw(id);
        let sent = post(device, |w| request::create_fence(w, 0, device, info, allocator, to));
        if sent.is_err() {
            FENCES.remove(*to);
            *to = vk::Fence::null();
        }
        done(sent)
    }
}

pub unsafe fn destroy_fence(device: vk::Device, fence: vk::Fence, allocator: *const vk::AllocationCallbacks) {
    if FENCES.remove(fence).is_some() {
        // SAFETY: by valid usage.
        unsafe { forward::destroy_fence(device, fence, allocator) };
    }
}

pub unsafe fn reset_fences(device: vk::Device, n: u32, fences: *const vk::Fence) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        for f in slice(fences, n) {
            if let Some(f) = FENCES.get(*f) {
                f.signaled.store(false, Ordering::Release);
            }
        }
        forward::reset_fences(device, n, fences)
    }
}

/// Notes that a submission will signal the fence.
pub fn submitted(fence: vk::Fence, sent: &Result<Seqno, Error>, submission: Submission) {
    if let (Some(f), Ok(_)) = (FENCES.get(fence), sent) {
        f.signaled.store(false, Ordering::Release);
        *f.submission.lock() = submission;
        f.forecast.submitted();
    }
}

/// The fence's submission counts as over, although the host never gets it.
pub fn signal(fence: vk::Fence) {
    if let Some(f) = FENCES.get(fence) {
        *f.submission.lock() = Submission::default();
        f.signaled.store(true, Ordering::Release);
    }
}

fn known(fence: vk::Fence) -> bool {
    FENCES.get(fence).is_some_and(|f| f.signaled.load(Ordering::Acquire))
}

pub unsafe fn get_fence_status(device: vk::Device, fence: vk::Fence) -> vk::Result {
    let Some(f) = FENCES.get(fence) else { return vk::Result::ERROR_UNKNOWN };
    if f.signaled.load(Ordering::Acquire) {
        return vk::Result::SUCCESS;
    }
    // SAFETY: by valid usage.
    let ask = |stay| unsafe {
        if stay == 0 {
            return forward::get_fence_status(device, fence);
        }
        match poll(device, &[fence], vk::TRUE, stay) {
            vk::Result::TIMEOUT => vk::Result::NOT_READY,
            result => result,
        }
    };
    // SAFETY: by valid usage.
    let result = f.spinning.ask(unsafe { object::get(device) }, &f.forecast, ask);
    if result == vk::Result::SUCCESS {
        f.seen();
    }
    result
}

/// Asks the host whether fences are signalled, on the main ring, where everything was submitted; the host waits for at most `timeout`
/// nanoseconds.
unsafe fn poll(device: vk::Device, fences: &[vk::Fence], all: vk::Bool32, timeout: u64) -> vk::Result {
    let (n, fences) = (fences.len() as u32, fences.as_ptr());
    // SAFETY: by valid usage of vkWaitForFences.
    unsafe {
        result_of(object::get(device).connection().call(
            reply::wait_for_fences_size(device, n, fences, all, timeout),
            |w| request::wait_for_fences(w, 1, device, n, fences, all, timeout),
            |r| reply::wait_for_fences(r, device, n, fences, all, timeout),
        ))
    }
}

pub unsafe fn wait_for_fences(
    device: vk::Device,
    n: u32,
    fences: *const vk::Fence,
    all: vk::Bool32,
    timeout: u64,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let list = slice(fences, n);
        let all_of_them = all != vk::FALSE;
        let enough = |list: &[vk::Fence]| {
            if all_of_them { list.iter().all(|f| known(*f)) } else { list.iter().any(|f| known(*f)) }
        };
        if enough(list) {
            return vk::Result::SUCCESS;
        }
        // The host needn't know of fences that are known here.
        let unknown: Vec<vk::Fence>;
        let asked = if all_of_them && n > 1 {
            unknown = list.iter().copied().filter(|f| !known(*f)).collect();
            &unknown
        } else {
            list
        };
        let (n, fences) = (asked.len() as u32, asked.as_ptr());
        let d = object::get(device);
        let block = |slice| {
            result_of(d.connection().aside(
                reply::wait_for_fences_size(device, n, fences, all, slice),
                |w| request::wait_for_fences(w, 1, device, n, fences, all, slice),
                |r| reply::wait_for_fences(r, device, n, fences, all, slice),
            ))
        };
        let forecasts = list.iter().filter_map(|f| FENCES.get(*f)).map(|f| &f.forecast);
        let result = wait::wait(d, timeout, forecasts, |stay| poll(device, asked, all, stay), block);
        // Of several fences it isn't told which one it was.
        if result == vk::Result::SUCCESS && (all_of_them || n == 1) {
            for f in list.iter().filter_map(|f| FENCES.get(*f)) {
                f.seen();
            }
        }
        result
    }
}

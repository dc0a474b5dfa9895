//! VkFence: what is known of each, and waiting.
//!
//! A wait runs in the host's driver, on a side ring, so that it ends when the host's driver says so and the main ring goes
//! on meanwhile. A fence that was seen signalled is remembered; asking again costs one load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{Error, Seqno};

use crate::chain::slice;
use crate::forwarding::{done, result_of, send};
use crate::generated::forward;
use crate::object;
use crate::slab::Slab;

/// What is known of a fence.
pub struct Fence {
    signaled: AtomicBool,
}

static FENCES: Slab<Fence> = Slab::new(1);

/// The longest wait that the host is asked for at once: a lost host is noticed in between.
pub const SLICE: Duration = Duration::from_secs(1);

pub unsafe fn create_fence(
    device: vk::Device,
    info: *const vk::FenceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Fence,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let signaled = (*info).flags.contains(vk::FenceCreateFlags::SIGNALED);
        let Some(id) = FENCES.insert(Fence { signaled: AtomicBool::new(signaled) }) else {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        };
        *to = vk::Fence::from_raw(id);
        let sent = send(device, |w| request::create_fence(w, 0, device, info, allocator, to));
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
pub fn submitted(fence: vk::Fence, sent: &Result<Seqno, Error>) {
    if let (Some(f), Ok(_)) = (FENCES.get(fence), sent) {
        f.signaled.store(false, Ordering::Release);
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
    let result = unsafe { forward::get_fence_status(device, fence) };
    if result == vk::Result::SUCCESS {
        f.signaled.store(true, Ordering::Release);
    }
    result
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
        let connection = object::get(device).connection();
        let result = wait_in_slices(timeout, |slice| {
            result_of(connection.side_call(
                reply::wait_for_fences_size(device, n, fences, all, slice),
                |w| request::wait_for_fences(w, 1, device, n, fences, all, slice),
                |r| reply::wait_for_fences(r, device, n, fences, all, slice),
            ))
        });
        // Of several fences it isn't told which one it was.
        if result == vk::Result::SUCCESS && (all_of_them || n == 1) {
            for f in list.iter().filter_map(|f| FENCES.get(*f)) {
                f.signaled.store(true, Ordering::Release);
            }
        }
        result
    }
}

/// Repeats a wait of the host until it ends or `timeout` nanoseconds are over.
pub fn wait_in_slices(timeout: u64, mut wait: impl FnMut(u64) -> vk::Result) -> vk::Result {
    let slice = SLICE.as_nanos() as u64;
    let start = Instant::now();
    loop {
        let waited = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let left = timeout.saturating_sub(waited);
        match wait(left.min(slice)) {
            vk::Result::TIMEOUT if left > slice => {}
            result => return result,
        }
    }
}

//! VkFence: what is known of each, and waiting.
//!
//! A fence that was seen signalled is remembered; asking again costs one load. `wait` says how a wait proceeds, `feedback` how the GPU
//! itself tells of an end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ash::vk;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::chain::slice;
use crate::base::clock;
use crate::base::forwarding::{done, post, result_of, result_of_error};
use crate::base::object::Part;
use crate::base::progress::Submission;
use crate::base::settings::{self, Strategy};
use crate::base::slab::Slab;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::feedback::Slot;
use crate::sync::forecast::Forecast;
use crate::sync::outside::{Outside, wait_by_looking};
use crate::sync::spinning::Spinning;
use crate::sync::wait;

/// What is known of a fence.
pub struct Fence {
    device: vk::Device,
    /// Stored with release after all that led to the answer, and loaded with acquire: what the program reads or sends once it knows comes after that. Vulkan
    /// keeps resets and submissions of a fence apart from everything else that is done to it.
    signaled: AtomicBool,
    forecast: Forecast,
    spinning: Spinning,
    /// What it will be signalled after.
    submission: Mutex<Submission>,
    /// Where the GPU tells that it is signalled; `None` inside where there is no such place.
    slot: OnceLock<Option<Slot>>,
    /// Whether the GPU will tell so of its submission. Relaxed: `slot` is found by way of its own lock, and the GPU's word is loaded with acquire.
    slot_expected: AtomicBool,
    /// What has left this process, or come from another.
    outside: Mutex<Outside>,
    /// The timeline of the queue that it was last submitted to, or 0. Relaxed: Vulkan keeps submissions and exports of a fence apart.
    timeline: AtomicU32,
    /// When the host was asked last whether it is still there. Relaxed: a time, by which nothing else is found.
    host_asked: AtomicU64,
}

/// Whoever looks at a slot again and again asks the host now and then, too: a dead one writes no slot.
const ASK_EVERY: u64 = 10_000_000;

impl Fence {
    fn new(device: vk::Device, signaled: bool) -> Self {
        Self {
            device,
            signaled: AtomicBool::new(signaled),
            forecast: Forecast::default(),
            spinning: Spinning::default(),
            submission: Mutex::default(),
            slot: OnceLock::new(),
            slot_expected: AtomicBool::new(false),
            outside: Mutex::default(),
            timeline: AtomicU32::new(0),
            host_asked: AtomicU64::new(0),
        }
    }

    /// Notes that it was seen signalled.
    fn note_signaled(&self) {
        self.signaled.store(true, Ordering::Release);
        self.slot_expected.store(false, Ordering::Relaxed);
        // A thread that sees the fence signalled before this learns of the queue's progress a moment later, and sends what it might have kept.
        self.submission.lock().end();
    }

    /// Whether it is known to be signalled.
    #[inline]
    fn is_signaled(&self, fence: vk::Fence) -> bool {
        self.signaled.load(Ordering::Acquire)
            || (self.slot_expected.load(Ordering::Relaxed) && self.is_slot_written(fence))
    }

    /// Whether the GPU has told that it is signalled.
    fn is_slot_written(&self, fence: vk::Fence) -> bool {
        if !self.slot.get().and_then(Option::as_ref).is_some_and(Slot::is_written)
            // In one step: one thread tells the host.
            || !self.slot_expected.swap(false, Ordering::Relaxed)
        {
            return self.signaled.load(Ordering::Acquire);
        }
        let device = self.device;
        // The host's fence follows in a moment, and nothing may be done to it before.
        // SAFETY: the fence, and so its device, is alive.
        let sent = unsafe { post(device, |w| request::wait_for_fences(w, 0, device, 1, &fence, vk::TRUE, u64::MAX)) };
        // A lost host is told of by whoever asks it.
        if sent.is_err() {
            return false;
        }
        self.note_signaled();
        true
    }

    /// The answer to vkGetFenceStatus where the GPU will tell and hasn't yet.
    unsafe fn status_by_slot(&self, device: vk::Device, fence: vk::Fence) -> vk::Result {
        // SAFETY: a valid device.
        let d = unsafe { Device::of(device) };
        if let Err(e) = d.connection().ring.check() {
            return result_of_error(&e);
        }
        let now = clock::now();
        if now.saturating_sub(self.host_asked.load(Ordering::Relaxed)) > ASK_EVERY {
            self.host_asked.store(now, Ordering::Relaxed);
            // SAFETY: a valid device and a fence of its own.
            return unsafe { forward::get_fence_status(device, fence) };
        }
        vk::Result::NOT_READY
    }
}

static FENCES: Slab<Fence> = Slab::new(1);

pub unsafe fn create_fence(
    device: vk::Device,
    info: *const vk::FenceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Fence,
) -> vk::Result {
    // SAFETY: the entry point's parameters: a valid device, info and output.
    unsafe {
        let signaled = (*info).flags.contains(vk::FenceCreateFlags::SIGNALED);
        // The host has no part in exports.
        let info = &vk::FenceCreateInfo { p_next: std::ptr::null(), ..*info };
        FENCES.create(Fence::new(device, signaled), to, || {
            done(post(device, |w| request::create_fence(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_fence(device: vk::Device, fence: vk::Fence, allocator: *const vk::AllocationCallbacks) {
    let Some(f) = FENCES.remove(fence) else { return };
    // SAFETY: a valid device and a fence of its own, which nothing will signal any more.
    unsafe {
        if let Some(slot) = f.slot.into_inner().flatten() {
            Device::of(device).slots.give_back(slot);
        }
        forward::destroy_fence(device, fence, allocator);
    }
}

pub unsafe fn reset_fences(device: vk::Device, n: u32, fences: *const vk::Fence) -> vk::Result {
    // SAFETY: the entry point's array of `n` fences.
    let list = unsafe { slice(fences, n) };
    for f in list {
        if let Some(f) = FENCES.get(*f) {
            f.signaled.store(false, Ordering::Release);
            f.slot_expected.store(false, Ordering::Relaxed);
        }
    }
    // SAFETY: a valid device.
    if unsafe { Device::of(device) }.shares_fences() {
        // What came from outside ends. A host's fence whose payload has left is reset later.
        let here = |f: &vk::Fence| {
            FENCES.get(*f).is_none_or(|f| {
                let mut outside = f.outside.lock();
                outside.imported = None;
                !outside.has_left
            })
        };
        let list: Vec<vk::Fence> = list.iter().copied().filter(here).collect();
        if list.is_empty() {
            return vk::Result::SUCCESS;
        }
        // SAFETY: a valid device and fences of its own.
        return unsafe { forward::reset_fences(device, list.len() as u32, list.as_ptr()) };
    }
    // SAFETY: the entry point's parameters.
    unsafe { forward::reset_fences(device, n, fences) }
}

/// What is known outside of this process, or from there.
pub fn outside(fence: vk::Fence) -> Option<&'static Mutex<Outside>> {
    FENCES.get(fence).map(|f| &f.outside)
}

/// Whether it is known to be signalled, without what has come from outside.
pub fn is_known_signaled(fence: vk::Fence) -> bool {
    FENCES.get(fence).is_some_and(|f| f.is_signaled(fence))
}

/// The timeline of the queue that it was last submitted to, and what it is signalled after.
pub fn last_submission(fence: vk::Fence) -> Option<(u32, Submission)> {
    let f = FENCES.get(fence)?;
    let timeline = f.timeline.load(Ordering::Relaxed);
    (timeline != 0).then(|| (timeline, f.submission.lock().clone()))
}

/// Nobody looks here for the end of its submission any more.
pub fn forget_submission(fence: vk::Fence) {
    if let Some(f) = FENCES.get(fence) {
        f.signaled.store(false, Ordering::Release);
        f.slot_expected.store(false, Ordering::Relaxed);
    }
}

/// Whether the GPU shall tell that a submission with this fence has ended; mostly the host's fence will do.
pub fn wants_slot(d: &Device, fence: vk::Fence) -> bool {
    let spins = || d.strategy == Strategy::Block && FENCES.get(fence).is_some_and(|f| f.spinning.loops());
    settings::get().feedback.unwrap_or_else(spins)
}

/// The place where the GPU tells it, empty; `None` where there is none left.
pub unsafe fn slot(device: vk::Device, fence: vk::Fence) -> Option<&'static Slot> {
    let f = FENCES.get(fence)?;
    // SAFETY: a valid device.
    let slot = f.slot.get_or_init(|| unsafe { Device::of(device).slots.take(device) }).as_ref()?;
    slot.clear();
    Some(slot)
}

/// Notes that the GPU will tell of the end of a fence's submission.
pub fn expect_slot(fence: vk::Fence) {
    if let Some(f) = FENCES.get(fence) {
        f.host_asked.store(clock::now(), Ordering::Relaxed);
        f.slot_expected.store(true, Ordering::Relaxed);
    }
}

/// Notes that a submission will signal the fence, to the queue with this timeline.
pub fn submitted(fence: vk::Fence, submission: Submission, timeline: u32) {
    if let Some(f) = FENCES.get(fence) {
        f.timeline.store(timeline, Ordering::Relaxed);
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

/// The status of a device's fence of which the host can't tell.
fn status_outside(d: &Device, fence: vk::Fence) -> Option<vk::Result> {
    if d.shares_fences() { FENCES.get(fence)?.outside.lock().status() } else { None }
}

/// Waits for fences, of some of which the host can't tell.
unsafe fn wait_outside(device: vk::Device, list: &[vk::Fence], all: bool, timeout: u64) -> vk::Result {
    // SAFETY: a valid device.
    let connection = unsafe { Device::of(device) }.connection();
    let imported = |f: &vk::Fence| FENCES.get(*f).and_then(|f| f.outside.lock().imported.clone());
    if let [only] = list
        && let Some(payload) = imported(only)
    {
        return payload.wait(connection, timeout);
    }
    let status = || {
        let mut over = if all { vk::Result::SUCCESS } else { vk::Result::NOT_READY };
        for f in list {
            // SAFETY: a valid device and a fence of its own.
            match unsafe { get_fence_status(device, *f) } {
                vk::Result::SUCCESS if !all => over = vk::Result::SUCCESS,
                vk::Result::NOT_READY if all => over = vk::Result::NOT_READY,
                vk::Result::SUCCESS | vk::Result::NOT_READY => {}
                e => return e,
            }
        }
        over
    };
    let waits = |f: &vk::Fence| imported(f).is_some_and(|p| p.status() == vk::Result::NOT_READY);
    wait_by_looking(connection, timeout, status, || list.iter().any(waits))
}

pub unsafe fn get_fence_status(device: vk::Device, fence: vk::Fence) -> vk::Result {
    let Some(f) = FENCES.get(fence) else { return vk::Result::ERROR_UNKNOWN };
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if let Some(told) = status_outside(d, fence) {
        return told;
    }
    if f.is_signaled(fence) {
        return vk::Result::SUCCESS;
    }
    if f.slot_expected.load(Ordering::Relaxed) {
        // SAFETY: the entry point's parameters.
        let result = unsafe { f.status_by_slot(device, fence) };
        if result == vk::Result::SUCCESS {
            f.note_signaled();
        }
        return result;
    }
    // SAFETY: the entry point's parameters.
    let ask = |stay| unsafe {
        if stay == 0 {
            return forward::get_fence_status(device, fence);
        }
        match poll(device, &[fence], vk::TRUE, stay) {
            vk::Result::TIMEOUT => vk::Result::NOT_READY,
            result => result,
        }
    };
    let result = f.spinning.ask(d.strategy, &f.forecast, ask);
    if result == vk::Result::SUCCESS {
        f.note_signaled();
    }
    result
}

/// Asks the host whether fences are signalled, on the main ring, where everything was submitted; the host waits for at most `timeout`
/// nanoseconds.
unsafe fn poll(device: vk::Device, fences: &[vk::Fence], all: vk::Bool32, timeout: u64) -> vk::Result {
    let (n, fences) = (fences.len() as u32, fences.as_ptr());
    // SAFETY: a valid device and fences of its own, of the caller's.
    unsafe {
        result_of(Device::of(device).connection().call(
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
    // SAFETY: a valid device, and the entry point's array of `n` fences.
    let (d, list) = unsafe { (Device::of(device), slice(fences, n)) };
    if list.iter().any(|f| status_outside(d, *f).is_some()) {
        // SAFETY: a valid device and fences of its own.
        return unsafe { wait_outside(device, list, all != vk::FALSE, timeout) };
    }
    // SAFETY: handed on.
    unsafe { wait_at_host(device, list, all, timeout) }
}

/// Waits for fences as the host has them.
///
/// # Safety
/// A valid device, and fences of its own.
pub unsafe fn wait_at_host(device: vk::Device, list: &[vk::Fence], all: vk::Bool32, timeout: u64) -> vk::Result {
    let known = |f: &vk::Fence| FENCES.get(*f).is_some_and(|state| state.is_signaled(*f));
    let unknown: Vec<vk::Fence>;
    let asked = if all == vk::FALSE {
        if list.iter().any(known) {
            return vk::Result::SUCCESS;
        }
        list
    } else if list.len() == 1 {
        if list.iter().all(known) {
            return vk::Result::SUCCESS;
        }
        list
    } else {
        // The host needn't know of fences that are known here to be signalled, and knows no wait for none.
        unknown = list.iter().copied().filter(|f| !known(f)).collect();
        if unknown.is_empty() {
            return vk::Result::SUCCESS;
        }
        &unknown
    };
    let (n, fences) = (asked.len() as u32, asked.as_ptr());
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // SAFETY: fences of the caller's, or of `unknown`, that are alive.
    let block = |slice| unsafe {
        d.connection().aside(
            reply::wait_for_fences_size(device, n, fences, all, slice),
            |w| request::wait_for_fences(w, 1, device, n, fences, all, slice),
            |r| reply::wait_for_fences(r, device, n, fences, all, slice),
        )
    };
    // SAFETY: as above.
    let poll = |stay| unsafe { poll(device, asked, all, stay) };
    let states = asked.iter().filter_map(|f| FENCES.get(*f));
    let all = all != vk::FALSE;
    let result = wait::wait(d.strategy, timeout, all, states.clone().map(|f| &f.forecast), poll, block);
    // Of several fences it isn't told which one it was.
    if result == vk::Result::SUCCESS && (all || n == 1) {
        for f in states {
            f.spinning.forget();
            f.note_signaled();
        }
    }
    result
}

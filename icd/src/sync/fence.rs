//! VkFence: what is known of each, and waiting.
//!
//! A fence that was seen signalled is remembered; asking again costs one load. `wait` says how a wait proceeds, `feedback` how the GPU
//! itself tells of an end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
use crate::sync::looking;
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
    /// When the program was told last that it isn't signalled, since it was submitted; 0 for never. Relaxed: a guess, for the forecast.
    refused: AtomicU64,
    /// What it will be signalled after.
    submission: Mutex<Submission>,
    /// Where the GPU tells that it is signalled; `None` inside where there is no such place.
    slot: OnceLock<Option<Slot>>,
    /// Whether the GPU will tell so of its submission. Relaxed: `slot` is found by way of its own lock, and the GPU's word is loaded with acquire.
    slot_expected: AtomicBool,
    /// When the host was asked last whether it is still there. Relaxed: a time, by which nothing else is found.
    host_asked: AtomicU64,
}

/// Whoever looks at a slot again and again asks the host now and then, too: a dead one writes no slot. The longer the work takes, the rarer.
const ASK_EVERY: u64 = 10_000_000;
const ASK_AT_LEAST: u64 = 250_000_000;
/// For work that usually takes as long, in nanoseconds, the GPU writes a slot where it is the host's processor: the host's answer to a question about shorter work
/// is soon there.
const WORTH_LOOKING: u64 = 200_000;

impl Fence {
    fn new(device: vk::Device, signaled: bool) -> Self {
        Self {
            device,
            signaled: AtomicBool::new(signaled),
            forecast: Forecast::default(),
            spinning: Spinning::default(),
            refused: AtomicU64::new(0),
            submission: Mutex::default(),
            slot: OnceLock::new(),
            slot_expected: AtomicBool::new(false),
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
        // A lost host is told of by whoever asks it. Where there was no memory, the next look tries again.
        if sent.is_err() {
            self.slot_expected.store(true, Ordering::Relaxed);
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
        if self.is_host_to_be_asked() {
            // SAFETY: a valid device and a fence of its own.
            return unsafe { forward::get_fence_status(device, fence) };
        }
        vk::Result::NOT_READY
    }

    /// Whether the host hasn't been asked for long whether it is still there; once each time.
    fn is_host_to_be_asked(&self) -> bool {
        let (now, asked) = (clock::now(), self.host_asked.load(Ordering::Relaxed));
        let long = (now.saturating_sub(self.forecast.submitted_at()) / 8).clamp(ASK_EVERY, ASK_AT_LEAST);
        let is_due = now.saturating_sub(asked) > long;
        if is_due {
            self.host_asked.store(now, Ordering::Relaxed);
        }
        is_due
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
    for f in unsafe { slice(fences, n) } {
        if let Some(f) = FENCES.get(*f) {
            f.signaled.store(false, Ordering::Release);
            f.slot_expected.store(false, Ordering::Relaxed);
        }
    }
    // SAFETY: the entry point's parameters.
    unsafe { forward::reset_fences(device, n, fences) }
}

/// Whether the GPU shall tell that a submission with this fence has ended; mostly the host's fence will do.
pub fn wants_slot(d: &Device, fence: vk::Fence) -> bool {
    let gains = |f: &Fence| {
        // A fence that has a slot keeps using it for somewhat shorter work, since times vary.
        let worth = if f.slot.get().is_some() { WORTH_LOOKING / 2 } else { WORTH_LOOKING };
        f.spinning.loops() || f.forecast.usual() >= worth
    };
    settings::get().feedback.unwrap_or_else(|| d.strategy == Strategy::Block && FENCES.get(fence).is_some_and(gains))
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

/// Notes that a submission will signal the fence.
pub fn submitted(fence: vk::Fence, submission: Submission) {
    if let Some(f) = FENCES.get(fence) {
        f.signaled.store(false, Ordering::Release);
        *f.submission.lock() = submission;
        f.refused.store(0, Ordering::Relaxed);
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

pub unsafe fn get_fence_status(device: vk::Device, fence: vk::Fence) -> vk::Result {
    let Some(f) = FENCES.get(fence) else { return vk::Result::ERROR_UNKNOWN };
    if f.signaled.load(Ordering::Acquire) {
        return vk::Result::SUCCESS;
    }
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    let result = if f.is_signaled(fence) {
        vk::Result::SUCCESS
    } else if f.slot_expected.load(Ordering::Relaxed) {
        // SAFETY: the entry point's parameters.
        unsafe { f.status_by_slot(device, fence) }
    } else {
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
        f.spinning.ask(d.strategy, &f.forecast, ask)
    };
    match result {
        vk::Result::SUCCESS => {
            if d.strategy == Strategy::Block {
                f.forecast.hear(f.refused.load(Ordering::Relaxed));
            }
            f.note_signaled();
        }
        vk::Result::NOT_READY => f.refused.store(clock::now(), Ordering::Relaxed),
        _ => {}
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
    // SAFETY: the entry point's array of `n` fences.
    let list = unsafe { slice(fences, n) };
    let known = |f: &vk::Fence| FENCES.get(*f).is_some_and(|state| state.is_signaled(*f));
    let unknown: Vec<vk::Fence>;
    let asked = if all == vk::FALSE {
        if list.iter().any(known) {
            return vk::Result::SUCCESS;
        }
        list
    } else if n == 1 {
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
    // SAFETY: fences of the program's array, or of `unknown`, that are alive.
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
    let (all, forecasts) = (all != vk::FALSE, states.clone().map(|f| &f.forecast));
    let result = if d.strategy == Strategy::Block && states.clone().all(|f| f.slot_expected.load(Ordering::Relaxed)) {
        let is_over = || if all { asked.iter().all(known) } else { asked.iter().any(known) };
        let ask = || {
            // Each notes that the host is asked.
            let due = || states.clone().filter(|f| f.is_host_to_be_asked()).count() > 0;
            match d.connection().ring.check() {
                Ok(()) if due() => Some(poll(0)).filter(|r| !matches!(*r, vk::Result::NOT_READY | vk::Result::TIMEOUT)),
                Ok(()) => None,
                Err(e) => Some(result_of_error(&e)),
            }
        };
        looking::look(timeout, forecasts, is_over, ask)
    } else {
        wait::wait(d.strategy, timeout, all, forecasts, poll, block)
    };
    // Of several fences it isn't told which one it was.
    if result == vk::Result::SUCCESS && (all || n == 1) {
        for f in states {
            f.spinning.forget();
            f.note_signaled();
        }
    }
    result
}

//! VkFence: what is known of each.
//!
//! A fence that was seen signalled is remembered; asking again costs one load (`fence_wait`). `feedback` says how the GPU itself tells of an end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use ash::vk;
use hesper_encoder::generated::request;
use parking_lot::Mutex;

use crate::base::chain::slice;
use crate::base::clock;
use crate::base::forwarding::{done, post, result_of_error};
use crate::base::object::Part;
use crate::base::progress::{Submission, Work};
use crate::base::settings::{self, Strategy};
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::feedback::Slot;
use crate::sync::forecast::Forecast;
use crate::sync::outside::Outside;
use crate::sync::payload::Payload;
use crate::sync::spinning::Spinning;
use crate::sync::wait::WORTH_BLOCKING;

/// What is known of a fence.
pub struct Fence {
    device: vk::Device,
    /// Stored with release after all that led to the answer, and loaded with acquire: what the program reads or sends once it knows comes after that. Vulkan
    /// keeps resets and submissions of a fence apart from everything else that is done to it.
    pub(super) signaled: AtomicBool,
    /// For copies, and for any work.
    forecasts: [Forecast; 2],
    /// Whether the last submission was copies. Relaxed: a guess, as all of a forecast.
    copies: AtomicBool,
    pub(super) spinning: Spinning,
    /// When the program was told last that it isn't signalled, since it was submitted; 0 for never. Relaxed: a guess, for the forecast.
    pub(super) refused: AtomicU64,
    /// What it will be signalled after.
    submission: Mutex<Submission>,
    /// Where the GPU tells that it is signalled; `None` inside where there is no such place.
    slot: OnceLock<Option<Slot>>,
    /// Whether the GPU will tell so of its submission. Set with release after the slot was emptied, and loaded with acquire, so that nobody finds the word of the submission before.
    pub(super) slot_expected: AtomicBool,
    /// What has left this process, or come from another.
    pub(super) outside: Mutex<Outside>,
    /// The timeline of the queue that it was last submitted to, or 0. Relaxed: Vulkan keeps submissions and exports of a fence apart.
    timeline: AtomicU32,
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
            forecasts: Default::default(),
            copies: AtomicBool::new(false),
            spinning: Spinning::default(),
            refused: AtomicU64::new(0),
            submission: Mutex::default(),
            slot: OnceLock::new(),
            slot_expected: AtomicBool::new(false),
            outside: Mutex::default(),
            timeline: AtomicU32::new(0),
            host_asked: AtomicU64::new(0),
        }
    }

    /// What is known of such work as was submitted last.
    pub(super) fn forecast(&self) -> &Forecast {
        self.forecast_of(if self.copies.load(Ordering::Relaxed) { Work::Copies } else { Work::Any })
    }

    /// What is known of such work.
    fn forecast_of(&self, work: Work) -> &Forecast {
        let [copies, any] = &self.forecasts;
        if work == Work::Copies { copies } else { any }
    }

    /// Whether threads may take their time to wake up when its submission has ended: the device goes on with other work, and the submission usually takes longer than that.
    pub(super) fn is_followed(&self) -> bool {
        let is_worth = || match settings::get().relaxed_waits {
            Some(always) => always,
            None => self.forecast().usual() >= WORTH_BLOCKING,
        };
        is_worth() && self.submission.lock().is_followed()
    }

    /// Notes that it was seen signalled; `watched` says whether somebody looked again and again until then, and knows when that was.
    pub(super) fn note_signaled(&self, watched: bool) {
        self.signaled.store(true, Ordering::Release);
        self.slot_expected.store(false, Ordering::Relaxed);
        // A thread that sees the fence signalled before this learns of the queue's progress a moment later, and sends what it might have kept.
        self.submission.lock().end_at(if watched { clock::now() } else { 0 });
    }

    /// Notes when what stands in front of its submission ended, if that is known by now.
    pub(super) fn note_front(&self) {
        self.forecast().note_front(self.submission.lock().front_seen_at());
    }

    /// Whether it is known to be signalled.
    #[inline]
    pub(super) fn is_signaled(&self, fence: vk::Fence) -> bool {
        self.signaled.load(Ordering::Acquire)
            || (self.slot_expected.load(Ordering::Acquire) && self.is_slot_written(fence))
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
        self.note_signaled(false);
        true
    }

    /// The answer to vkGetFenceStatus where the GPU will tell and hasn't yet.
    pub(super) unsafe fn status_by_slot(&self, device: vk::Device, fence: vk::Fence) -> vk::Result {
        // SAFETY: a valid device.
        let d = unsafe { Device::of(device) };
        if let Err(e) = d.connection().check() {
            return result_of_error(&e);
        }
        if self.is_host_to_be_asked() {
            // SAFETY: a valid device and a fence of its own.
            return unsafe { forward::get_fence_status(device, fence) };
        }
        vk::Result::NOT_READY
    }

    /// Whether the host hasn't been asked for long whether it is still there; once each time.
    pub(super) fn is_host_to_be_asked(&self) -> bool {
        let (now, asked) = (clock::now(), self.host_asked.load(Ordering::Relaxed));
        let long = (now.saturating_sub(self.forecast().submitted_at()) / 8).clamp(ASK_EVERY, ASK_AT_LEAST);
        let is_due = now.saturating_sub(asked) > long;
        if is_due {
            self.host_asked.store(now, Ordering::Relaxed);
        }
        is_due
    }
}

pub(super) static FENCES: Slab<Fence> = Slab::new(Kind::Fence);

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

/// Drivers of whose GPUs it was tried that whoever finds the word written finds what the submission wrote before. Others, Metal's and such with memory behind a bus among
/// them, promise that of fences alone.
const TELL_IN_TIME: [vk::DriverId; 2] = [vk::DriverId::NVIDIA_PROPRIETARY, vk::DriverId::MESA_LLVMPIPE];

/// Whether the GPU shall tell that a submission of such work with this fence has ended, or of what was submitted last; mostly the host's fence will do.
pub fn wants_slot(d: &Device, fence: vk::Fence, work: Option<Work>) -> bool {
    let gains = |f: &Fence| {
        // A fence that has a slot keeps using it for somewhat shorter work, since times vary.
        let worth = if f.slot.get().is_some() { WORTH_LOOKING / 2 } else { WORTH_LOOKING };
        f.spinning.loops() || work.map_or_else(|| f.forecast(), |work| f.forecast_of(work)).usual() >= worth
    };
    // Where others want the processors, each question costs both sides a turn, and a host that stays in one burns what is left of its thread's.
    let contended = || {
        d.strategy == Strategy::Poll
            && TELL_IN_TIME.contains(&d.physical().host_driver)
            && d.connection().contention().look(Instant::now())
    };
    settings::get()
        .feedback
        .unwrap_or_else(|| contended() || (d.strategy == Strategy::Block && FENCES.get(fence).is_some_and(gains)))
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
        f.slot_expected.store(true, Ordering::Release);
    }
}

/// Notes that a submission will signal the fence, to the queue with this timeline.
pub fn submitted(fence: vk::Fence, submission: Submission, timeline: u32, work: Work) {
    if let Some(f) = FENCES.get(fence) {
        f.timeline.store(timeline, Ordering::Relaxed);
        f.signaled.store(false, Ordering::Release);
        *f.submission.lock() = submission;
        f.refused.store(0, Ordering::Relaxed);
        f.copies.store(work == Work::Copies, Ordering::Relaxed);
        f.forecast().submitted();
    }
}

/// The fence's submission counts as over, although the host never gets it.
pub fn signal(fence: vk::Fence) {
    if let Some(f) = FENCES.get(fence) {
        *f.submission.lock() = Submission::default();
        let mut outside = f.outside.lock();
        if outside.has_left {
            // Only a reset ends that for the host's fence; the program's is signalled by what the guest knows.
            outside.imported = Some(Payload::Signaled);
        }
        f.signaled.store(true, Ordering::Release);
    }
}

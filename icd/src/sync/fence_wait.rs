//! vkGetFenceStatus and vkWaitForFences: what a program learns of fences, and when. `wait` and `looking` say how a wait proceeds.

use std::sync::atomic::Ordering;

use ash::vk;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::waiting::Patience;

use crate::base::chain::slice;
use crate::base::clock;
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::Part;
use crate::base::settings::Strategy;
use crate::base::thread_use::ThreadUse;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::fence::{FENCES, Fence};
use crate::sync::looking;
use crate::sync::outside::wait_by_looking;
use crate::sync::wait;

/// A wait that takes longer, in nanoseconds, has seen the end of its work, and whoever asked as long ago and was refused, too: others may come any time after it.
const WATCHED: u64 = 100_000;

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
            match unsafe { status(device, *f, false) } {
                vk::Result::SUCCESS if !all => return vk::Result::SUCCESS,
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
    // SAFETY: the entry point's parameters.
    unsafe { status(device, fence, true) }
}

/// The status of a fence. The question may stay in the driver for a while where a program asks; not where a wait of the driver's own does, which sleeps between its
/// questions.
unsafe fn status(device: vk::Device, fence: vk::Fence, may_stay: bool) -> vk::Result {
    let Some(f) = FENCES.get(fence) else { return vk::Result::ERROR_UNKNOWN };
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if let Some(told) = status_outside(d, fence) {
        return told;
    }
    if f.signaled.load(Ordering::Acquire) {
        return vk::Result::SUCCESS;
    }
    let note_refused = |result| {
        if result == vk::Result::NOT_READY {
            f.refused.store(clock::now(), Ordering::Relaxed);
        }
        result
    };
    // What looks at the slot for a while learns by itself when the work has ended.
    let mut learned = false;
    let result = if f.is_signaled(fence) {
        if d.connection().contention().is_high() && f.refused.load(Ordering::Relaxed) != 0 {
            f.spinning.note_over();
        }
        vk::Result::SUCCESS
    } else if f.slot_expected.load(Ordering::Acquire) {
        // SAFETY: the entry point's parameters.
        let status = || unsafe { f.status_by_slot(device, fence) };
        if may_stay && d.connection().contention().is_high() {
            let ask = || Some(status()).filter(|r| *r != vk::Result::NOT_READY);
            let look = |patience| {
                let (of, is_over) = (std::iter::once(f.forecast()), || f.is_signaled(fence));
                match looking::look(d.connection().contention(), patience, of, is_over, ask) {
                    vk::Result::TIMEOUT => vk::Result::NOT_READY,
                    result => result,
                }
            };
            learned = true;
            note_refused(f.spinning.look(ThreadUse::now, look))
        } else {
            note_refused(status())
        }
    } else if !may_stay {
        // SAFETY: the entry point's parameters.
        note_refused(unsafe { forward::get_fence_status(device, fence) })
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
        f.note_front();
        f.spinning.ask(d.strategy, d.connection().contention(), f.forecast(), &f.refused, ask)
    };
    if result == vk::Result::SUCCESS {
        let refused = f.refused.load(Ordering::Relaxed);
        if !learned {
            f.forecast().hear(refused);
        }
        f.note_signaled(refused != 0 && clock::now().saturating_sub(refused) < WATCHED);
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
    unsafe { wait_at_host(d.strategy, device, list, all, timeout) }
}

/// Waits for fences as the host has them, by this strategy.
///
/// # Safety
/// A valid device, and fences of its own.
pub unsafe fn wait_at_host(
    strategy: Strategy,
    device: vk::Device,
    list: &[vk::Fence],
    all: vk::Bool32,
    timeout: u64,
) -> vk::Result {
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
    let states = asked.iter().filter_map(|f| FENCES.get(*f));
    // The device goes on without the program, which hears of the end as late as threads take to wake up.
    let followed = || states.clone().all(Fence::is_followed);
    let (strategy, patience) = match strategy {
        Strategy::Poll if followed() => (Strategy::Followed, Patience::ASLEEP),
        strategy => (strategy, d.connection().patience()),
    };
    // SAFETY: fences of the caller's, or of `unknown`, that are alive.
    let block = |slice| unsafe {
        d.connection().aside(
            patience,
            reply::wait_for_fences_size(device, n, fences, all, slice),
            |w| request::wait_for_fences(w, 1, device, n, fences, all, slice),
            |r| reply::wait_for_fences(r, device, n, fences, all, slice),
        )
    };
    // SAFETY: as above.
    let poll = |stay| unsafe { poll(device, asked, all, stay) };
    let (all, forecasts) = (all != vk::FALSE, states.clone().map(|f| f.forecast()));
    let start = clock::now();
    let looks = strategy == Strategy::Block || d.connection().contention().is_high();
    let result = if looks && states.clone().all(|f| f.slot_expected.load(Ordering::Acquire)) {
        let is_over = || if all { asked.iter().all(known) } else { asked.iter().any(known) };
        let ask = || {
            // Each notes that the host is asked.
            let due = || states.clone().filter(|f| f.is_host_to_be_asked()).count() > 0;
            match d.connection().check() {
                Ok(()) if due() => Some(poll(0)).filter(|r| !matches!(*r, vk::Result::NOT_READY | vk::Result::TIMEOUT)),
                Ok(()) => None,
                Err(e) => Some(result_of_error(&e)),
            }
        };
        looking::look(d.connection().contention(), timeout, forecasts, is_over, ask)
    } else {
        states.clone().for_each(Fence::note_front);
        wait::wait(strategy, d.connection().contention(), timeout, all, forecasts, poll, block)
    };
    // Of several fences it isn't told which one it was, or when each ended.
    if result == vk::Result::SUCCESS && (all || n == 1) {
        let watched = n == 1 && clock::now().saturating_sub(start) > WATCHED;
        for f in states {
            f.spinning.forget();
            f.note_signaled(watched);
        }
    }
    result
}

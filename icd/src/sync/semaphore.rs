//! VkSemaphore: waiting for timelines, and what is signalled in the guest.

use std::sync::atomic::{AtomicUsize, Ordering};

use ash::vk;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::wait;

/// Binary semaphores that count as signalled although the host hasn't heard of it.
static SIGNALLED: Mutex<Vec<vk::Semaphore>> = Mutex::new(Vec::new());

/// How many there are. Relaxed: the program orders a semaphore's wait, or its end, behind the signal, and whoever comes behind the signal sees a number that
/// counts it.
static ANY: AtomicUsize = AtomicUsize::new(0);

/// A semaphore counts as signalled from now on.
pub fn signal(semaphore: vk::Semaphore) {
    if semaphore == vk::Semaphore::null() {
        return;
    }
    let mut signalled = SIGNALLED.lock();
    signalled.push(semaphore);
    ANY.store(signalled.len(), Ordering::Relaxed);
}

/// Takes out those of some semaphores that count as signalled: the host has to hear of it before it is told to wait for them.
#[inline]
pub fn take_signalled(waited: impl Iterator<Item = vk::Semaphore>) -> Vec<vk::Semaphore> {
    if ANY.load(Ordering::Relaxed) == 0 {
        return Vec::new();
    }
    let mut signalled = SIGNALLED.lock();
    let mut taken = Vec::new();
    for semaphore in waited {
        if let Some(at) = signalled.iter().position(|s| *s == semaphore) {
            taken.push(signalled.swap_remove(at));
        }
    }
    ANY.store(signalled.len(), Ordering::Relaxed);
    taken
}

pub unsafe fn destroy_semaphore(
    device: vk::Device,
    semaphore: vk::Semaphore,
    allocator: *const vk::AllocationCallbacks,
) {
    take_signalled(std::iter::once(semaphore));
    // SAFETY: the command's own parameters.
    unsafe { forward::destroy_semaphore(device, semaphore, allocator) };
}

pub unsafe fn wait_semaphores(device: vk::Device, info: *const vk::SemaphoreWaitInfo, timeout: u64) -> vk::Result {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // SAFETY: encodes the command's own struct, which lives as long as the wait.
    let poll = |stay| unsafe {
        result_of(d.connection().call(
            reply::wait_semaphores_size(device, info, stay),
            |w| request::wait_semaphores(w, 1, device, info, stay),
            |r| reply::wait_semaphores(r, device, info, stay),
        ))
    };
    // SAFETY: as for `poll`.
    let block = |slice| unsafe {
        d.connection().aside(
            reply::wait_semaphores_size(device, info, slice),
            |w| request::wait_semaphores(w, 1, device, info, slice),
            |r| reply::wait_semaphores(r, device, info, slice),
        )
    };
    wait::wait(d.strategy, timeout, true, std::iter::empty(), poll, block)
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn each_signal_is_taken_once() {
        let [a, b, c] = [1 << 40, 2 << 40, 3 << 40].map(vk::Semaphore::from_raw);
        signal(vk::Semaphore::null());
        signal(a);
        signal(b);
        assert_eq!(take_signalled([c, vk::Semaphore::null()].into_iter()), []);
        assert_eq!(take_signalled([c, b].into_iter()), [b]);
        assert_eq!(take_signalled([b, a, a].into_iter()), [a]);
        assert_eq!((take_signalled([a, b].into_iter()), ANY.load(Ordering::Relaxed)), (vec![], 0));
    }
}

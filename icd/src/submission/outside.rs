//! Submissions that wait for payloads from outside.
//!
//! A payload that came from outside is waited for here. Then an empty submission signals the host's semaphore, for the submission that waits.

use ash::vk;
use hesper_winsys::Error;

use crate::submission::device::Device;
use crate::submission::order::Locked;
use crate::submission::queue::Queue;
use crate::sync::shared_semaphores::Taken;

/// Waits for payloads from outside that a submission with these waits needs.
///
/// # Errors
/// A lost host.
pub fn wait_outside(d: &Device, waits: impl Iterator<Item = vk::Semaphore>) -> Result<Vec<Taken>, vk::Result> {
    if !d.semaphores.any() {
        return Ok(Vec::new());
    }
    let taken = d.semaphores.take(waits);
    for t in &taken {
        match t.payload.wait(d.connection(), u64::MAX) {
            vk::Result::SUCCESS => {}
            e => return Err(e),
        }
    }
    Ok(taken)
}

/// Signals the host's semaphores for payloads that have been waited for: before the submission that waits those that aren't signalled, after it the
/// others.
///
/// # Safety
/// The lock of the queue's device.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn stand_in(
    locked: &mut Locked<'_>,
    queue: &Queue,
    handle: vk::Queue,
    taken: &[Taken],
    after: bool,
) -> Result<(), Error> {
    let semaphores = taken.iter().filter(|t| t.stays_signaled == after).map(|t| t.semaphore);
    // SAFETY: by contract; the semaphores are unsignalled.
    unsafe { signal(locked, queue, handle, semaphores) }
}

/// Signals semaphores by an empty submission, if there are any.
///
/// # Safety
/// The lock of the queue's device, and semaphores that aren't signalled.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn signal(
    locked: &mut Locked<'_>,
    queue: &Queue,
    handle: vk::Queue,
    semaphores: impl Iterator<Item = vk::Semaphore>,
) -> Result<(), Error> {
    let semaphores: Vec<vk::Semaphore> = semaphores.collect();
    if semaphores.is_empty() {
        return Ok(());
    }
    let batch = vk::SubmitInfo::default().signal_semaphores(&semaphores);
    // SAFETY: by contract.
    unsafe { queue.submit_own(locked, handle, &batch, vk::Fence::null()) }.map(drop)
}

/// Notes what a submission that was sent waits for and signals, where that matters.
pub fn sent(
    d: &Device,
    queue: vk::Queue,
    taken: &[Taken],
    waits: impl Iterator<Item = vk::Semaphore>,
    signals: impl Iterator<Item = vk::Semaphore>,
) {
    if d.semaphores.any() {
        let again = taken.iter().filter(|t| t.stays_signaled).map(|t| t.semaphore);
        d.semaphores.submitted(queue, waits, signals.chain(again));
    }
}

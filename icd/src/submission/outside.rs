//! Submissions that wait for payloads from outside.
//!
//! A payload that came from outside is waited for here. Then an empty submission signals the host's semaphore, for the submission that waits.

use ash::vk;
use hesper_winsys::Error;

use crate::base::progress::Submission;
use crate::submission::device::Device;
use crate::submission::order::Locked;
use crate::submission::queue::Queue;
use crate::sync::binary_semaphores::{self, Taken, Use};
use crate::sync::payload::Payload;

/// Waits for payloads from outside that a submission with these uses of semaphores needs.
///
/// # Errors
/// A lost host, which a payload that never comes is as well; no memory.
pub fn wait_outside(d: &Device, uses: impl Iterator<Item = (vk::Semaphore, Use)>) -> Result<Taken, vk::Result> {
    if !d.semaphores.are_known() {
        return Ok(Taken::default());
    }
    let taken = Taken::by(uses);
    for payload in taken.payloads() {
        match payload.wait(d.connection(), u64::MAX) {
            vk::Result::SUCCESS => {}
            e => return Err(e),
        }
    }
    Ok(taken)
}

/// Signals the host's semaphores for payloads that have been waited for, in front of the submission that takes them.
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
    taken: &mut Taken,
) -> Result<(), Error> {
    let semaphores = taken.unsignaled();
    if !semaphores.is_empty() {
        // SAFETY: by contract; the semaphores are unsignalled.
        let own = unsafe { signal(locked, queue, handle, &semaphores) }?;
        taken.stood_in(handle, &own);
    }
    Ok(())
}

/// Signals semaphores by an empty submission.
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
    semaphores: &[vk::Semaphore],
) -> Result<Submission, Error> {
    let batch = vk::SubmitInfo::default().signal_semaphores(semaphores);
    // SAFETY: by contract.
    unsafe { queue.submit_own(locked, handle, &batch, vk::Fence::null()) }
}

/// Notes the uses of semaphores by a submission that was sent, and signals those again behind it that were signalled beside a payload from outside.
///
/// # Safety
/// The lock of the queue's device, which has been held since the submission was sent.
///
/// # Errors
/// A lost host.
pub unsafe fn sent(
    d: &Device,
    locked: &mut Locked<'_>,
    queue: &Queue,
    handle: vk::Queue,
    taken: Taken,
    uses: impl Iterator<Item = (vk::Semaphore, Use)>,
) -> Result<(), Error> {
    if !d.semaphores.are_known() {
        return Ok(());
    }
    binary_semaphores::submitted(handle, uses);
    let again = taken.used();
    if again.is_empty() {
        return Ok(());
    }
    // SAFETY: by contract; the submission waits for the semaphores, which are unsignalled behind it.
    match unsafe { signal(locked, queue, handle, &again) } {
        Ok(own) => again.iter().for_each(|s| binary_semaphores::submitted_own(handle, *s, Use::Signal, &own)),
        Err(e @ Error::Lost(_)) => return Err(e),
        // The program's submission is on its way all the same. The next one that waits has them signalled.
        Err(_) => again.iter().for_each(|s| binary_semaphores::import(*s, Payload::Signaled)),
    }
    Ok(())
}

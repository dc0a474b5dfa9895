//! Semaphores that were signalled in the guest (vkAcquireNextImageKHR): the host signals them in front of the submission that waits for them.
//!
//! There it does no harm: what is in front of it on the queue is in front of the submission, too. On any other queue, or sooner, the signal might stand
//! behind work that waits for what the program does only later.

use ash::vk;
use hesper_winsys::Error;

use crate::submission::order::Locked;
use crate::submission::queue::Queue;
use crate::sync::semaphore;

/// Has the host signal those of some semaphores that were signalled in the guest.
///
/// # Safety
/// A valid queue, and the lock of its device, under which what waits for the semaphores is sent to it next.
///
/// # Errors
/// A lost host, or no memory; the semaphores still count as signalled then.
pub unsafe fn send(
    locked: &mut Locked<'_>,
    handle: vk::Queue,
    queue: &Queue,
    waited: impl Iterator<Item = vk::Semaphore>,
) -> Result<(), Error> {
    let signalled = semaphore::take_signalled(waited);
    if signalled.is_empty() {
        return Ok(());
    }
    let batch = vk::SubmitInfo::default().signal_semaphores(&signalled);
    // SAFETY: by contract; semaphores that nothing else signals.
    let sent = unsafe { queue.submit_own(locked, handle, &batch, vk::Fence::null()) };
    if sent.is_err() {
        signalled.into_iter().for_each(semaphore::signal);
    }
    sent.map(drop)
}

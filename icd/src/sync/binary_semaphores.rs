//! What is known of binary semaphores on devices where some are signalled elsewhere than at the host: they may be shared as sync_files, or
//! vkAcquireNextImageKHR signals them.

use ash::vk;
use hesper_encoder::generated::request;
use parking_lot::Mutex;

use crate::base::forwarding::{done, post};
use crate::base::progress::Submission;
use crate::base::slab::{Kind, Slab};
use crate::sync::left::Left;
use crate::sync::payload::Payload;

/// What is known of one. Vulkan keeps what is done to a semaphore apart, but for exports, so nobody waits for the lock.
#[derive(Default)]
struct Known {
    /// The queue that has signalled the host's semaphore, or will, where nothing waits for that yet.
    signaled_on: Option<vk::Queue>,
    /// What takes its place for the next wait.
    imported: Option<Payload>,
    /// The last submission of the driver's own that uses it where no fence of the program's need tell of that.
    own: Submission,
}

static SEMAPHORES: Slab<Mutex<Known>> = Slab::new(Kind::Semaphore);

/// Makes a semaphore of which something is known from now on.
///
/// # Safety
/// The parameters of vkCreateSemaphore, for a binary one.
pub unsafe fn create(
    device: vk::Device,
    info: &vk::SemaphoreCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: by contract; the encoder reads what the parameters point at.
    let tell = || unsafe { done(post(device, |w| request::create_semaphore(w, 0, device, info, allocator, to))) };
    // SAFETY: the output parameter.
    unsafe { SEMAPHORES.create(Mutex::default(), to, tell) }
}

/// Whether something is known of it.
pub fn is_known(semaphore: vk::Semaphore) -> bool {
    SEMAPHORES.get(semaphore).is_some()
}

/// The next wait for it takes this payload.
pub fn import(semaphore: vk::Semaphore, payload: Payload) {
    if let Some(k) = SEMAPHORES.get(semaphore) {
        k.lock().imported = Some(payload);
    }
}

/// The payload from outside that an export takes.
pub fn imported(semaphore: vk::Semaphore) -> Option<Payload> {
    SEMAPHORES.get(semaphore)?.lock().imported.clone()
}

/// That has been exported.
pub fn forget_imported(semaphore: vk::Semaphore) {
    if let Some(k) = SEMAPHORES.get(semaphore) {
        k.lock().imported = None;
    }
}

/// The queue whose signal nothing waits for yet.
pub fn signaled_on(semaphore: vk::Semaphore) -> Option<vk::Queue> {
    SEMAPHORES.get(semaphore)?.lock().signaled_on
}

/// How a submission uses a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Wait,
    Signal,
}

/// A submission to a queue was sent that uses these semaphores, in this order.
pub fn submitted(queue: vk::Queue, uses: impl Iterator<Item = (vk::Semaphore, Use)>) {
    for (semaphore, how) in uses {
        if let Some(k) = SEMAPHORES.get(semaphore) {
            k.lock().signaled_on = (how == Use::Signal).then_some(queue);
        }
    }
}

/// A submission of the driver's own to a queue was sent that uses a semaphore.
pub fn submitted_own(queue: vk::Queue, semaphore: vk::Semaphore, how: Use, own: &Submission) {
    submitted(queue, std::iter::once((semaphore, how)));
    if let Some(k) = SEMAPHORES.get(semaphore) {
        k.lock().own = own.clone();
    }
}

/// Payloads from outside that a submission takes. Where it isn't sent they go back when this is dropped.
#[derive(Default)]
pub struct Taken(Vec<One>);

struct One {
    semaphore: vk::Semaphore,
    payload: Payload,
    at_host: AtHost,
}

/// The host's semaphore beside a payload.
enum AtHost {
    Unsignaled,
    /// It has to be so again after the wait: imports are temporary.
    Signaled,
    /// In the payload's place, by a submission of the driver's own to this queue.
    StandsIn(vk::Queue, Submission),
}

impl Taken {
    /// Those that a submission with these uses takes.
    pub fn by(uses: impl Iterator<Item = (vk::Semaphore, Use)>) -> Self {
        let waits = uses.filter(|(_, how)| *how == Use::Wait);
        let taken = waits.filter_map(|(semaphore, _)| {
            let mut k = SEMAPHORES.get(semaphore)?.lock();
            let payload = k.imported.take()?;
            let at_host = if k.signaled_on.is_some() { AtHost::Signaled } else { AtHost::Unsignaled };
            Some(One { semaphore, payload, at_host })
        });
        Self(taken.collect())
    }

    /// The payloads.
    pub fn payloads(&self) -> impl Iterator<Item = &Payload> {
        self.0.iter().map(|t| &t.payload)
    }

    /// The semaphores that have to be signalled at the host in front of the submission.
    pub fn unsignaled(&self) -> Vec<vk::Semaphore> {
        self.0.iter().filter(|t| matches!(t.at_host, AtHost::Unsignaled)).map(|t| t.semaphore).collect()
    }

    /// They will be, by a submission of the driver's own to this queue.
    pub fn stood_in(&mut self, queue: vk::Queue, own: &Submission) {
        for t in self.0.iter_mut().filter(|t| matches!(t.at_host, AtHost::Unsignaled)) {
            t.at_host = AtHost::StandsIn(queue, own.clone());
        }
    }

    /// The submission was sent, whose end tells of all in front of it; these have to be signalled again behind it.
    pub fn used(mut self) -> Vec<vk::Semaphore> {
        self.0.drain(..).filter(|t| matches!(t.at_host, AtHost::Signaled)).map(|t| t.semaphore).collect()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for t in self.0.drain(..) {
            match t.at_host {
                AtHost::StandsIn(queue, own) => submitted_own(queue, t.semaphore, Use::Signal, &own),
                AtHost::Unsignaled | AtHost::Signaled => import(t.semaphore, t.payload),
            }
        }
    }
}

/// A device's part in its semaphores.
pub struct Semaphores {
    known: bool,
    /// Those that the program has destroyed while a submission of the driver's own may be using them, and that.
    ending: Mutex<Vec<(vk::Semaphore, Submission)>>,
}

impl Semaphores {
    /// For a new device; `known` says whether something has to be known of its semaphores.
    pub fn new(known: bool) -> Self {
        Self { known, ending: Mutex::default() }
    }

    /// Whether something is known of them.
    #[inline]
    pub fn are_known(&self) -> bool {
        self.known
    }

    /// The program destroys a semaphore. Returns which ones the host can be told of, now that no submission of the driver's own uses them: mostly this one alone.
    pub fn end(&self, semaphore: vk::Semaphore, left: &Left) -> Vec<vk::Semaphore> {
        let own = SEMAPHORES.remove(semaphore).map(|k| k.into_inner().own).unwrap_or_default();
        let mut ending = self.ending.lock();
        ending.push((semaphore, own));
        if ending.iter().any(|(_, own)| !own.ended()) {
            left.look();
        }
        ending.extract_if(.., |(_, own)| own.ended()).map(|(semaphore, _)| semaphore).collect()
    }

    /// Whether the host hasn't been told of some.
    pub fn any_ending(&self) -> bool {
        !self.ending.lock().is_empty()
    }

    /// The device ends, on which nothing is at work any more: all that the host hasn't been told of.
    pub fn close(&self) -> Vec<vk::Semaphore> {
        self.ending.lock().drain(..).map(|(semaphore, _)| semaphore).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ash::vk::Handle;

    use super::*;
    use crate::base::progress::Progress;

    const QUEUE: vk::Queue = vk::Queue::null();

    /// A semaphore of no device's.
    fn semaphore() -> vk::Semaphore {
        vk::Semaphore::from_raw(SEMAPHORES.insert(Mutex::default()).unwrap())
    }

    fn waits(semaphore: vk::Semaphore) -> impl Iterator<Item = (vk::Semaphore, Use)> {
        std::iter::once((semaphore, Use::Wait))
    }

    #[test]
    fn a_payload_is_taken_once_and_goes_back_from_a_submission_that_fails() {
        let s = semaphore();
        import(s, Payload::Signaled);
        let taken = Taken::by(waits(s));
        assert!(taken.payloads().count() == 1 && imported(s).is_none());
        assert_eq!(Taken::by(waits(s)).payloads().count(), 0);
        drop(taken);
        assert!(imported(s).is_some(), "the submission failed");
        assert!(Taken::by(waits(s)).used().is_empty() && imported(s).is_none(), "the submission was sent");
    }

    #[test]
    fn what_was_signalled_for_a_submission_that_fails_stays_signalled() {
        let s = semaphore();
        import(s, Payload::Signaled);
        let mut taken = Taken::by(waits(s));
        assert_eq!(taken.unsignaled(), [s]);
        taken.stood_in(QUEUE, &Submission::default());
        assert!(taken.unsignaled().is_empty());
        drop(taken);
        assert!(imported(s).is_none() && signaled_on(s) == Some(QUEUE));
    }

    #[test]
    fn an_import_leaves_the_signal_that_was_there() {
        let s = semaphore();
        submitted(QUEUE, std::iter::once((s, Use::Signal)));
        import(s, Payload::Signaled);
        let taken = Taken::by(waits(s));
        assert!(taken.unsignaled().is_empty());
        assert_eq!(taken.used(), [s], "it is signalled again behind the submission");
    }

    #[test]
    fn uses_count_in_their_order() {
        let s = semaphore();
        submitted(QUEUE, [(s, Use::Signal), (s, Use::Wait)].into_iter());
        assert_eq!(signaled_on(s), None);
        submitted(QUEUE, [(s, Use::Signal), (s, Use::Wait), (s, Use::Signal)].into_iter());
        assert_eq!(signaled_on(s), Some(QUEUE));
    }

    #[test]
    fn a_semaphore_that_the_driver_uses_is_destroyed_later() {
        let (all, left, progress) = (Semaphores::new(true), Left::default(), Arc::<Progress>::default());
        let [used, other, last] = [(); 3].map(|()| semaphore());
        let own = Submission::new(&progress, 1);
        submitted_own(QUEUE, used, Use::Wait, &own);
        assert!(all.end(used, &left).is_empty() && all.any_ending());
        assert!(!is_known(used), "the program has destroyed it");
        assert_eq!(all.end(other, &left), [other]);
        own.end();
        assert_eq!(all.end(last, &left), [used, last]);
        assert!(!all.any_ending() && all.close().is_empty());
    }
}

//! The order between a device's submissions: one lock covers which of them are known to have ended, the number of the next one, and the uploads
//! that the program was told are over although the host hasn't seen them.
//!
//! Uploads pass three states ([`Uploads`]):
//!
//! * *none*: nothing is put off.
//! * *waiting*: their data is kept here. Every queue is idle then, since each submission that is sent takes them along or sends them first.
//! * *sent*: a submission carries them, and isn't known to have ended. The driver can wait for their end without the program's help, because
//!   nothing in front of them on their queue, nor between them and their mark, waits for anything that the program does.
//!
//! What must have happened before a program observes the memory that uploads write, or ends it:
//!
//! | the program | uploads waiting | uploads sent |
//! | --- | --- | --- |
//! | submits to a queue that can copy, waiting for nothing | travel in front | on their queue: nothing, else as below |
//! | submits to their queue, waiting for a semaphore or an event | sent by themselves | marked, so that their end can be told |
//! | submits to another queue otherwise | sent by themselves, and waited for at the host by a semaphore | so if it is a queue that waits already, else ended |
//! | binds sparse memory | sent by themselves, ended | ended |
//! | submits nothing but more uploads, or nothing | stay, and more may join | as any submission, until they have ended |
//! | maps the memory (vkMapMemory) | sent by themselves, ended | ended |
//! | frees the memory (vkFreeMemory) | forgotten: nobody can see it any more | ended |
//! | has the host copy an image, in whose memory a buffer may lie, or change its layout (vkCopyImageToMemory, vkTransitionImageLayout, ...) | sent by themselves, ended | ended |
//! | destroys the buffer (vkDestroyBuffer) | sent by themselves, ended | ended |
//! | signals a semaphore or sets an event | stay: whoever waits for it was submitted before, so the queue isn't idle | - |
//! | reads query results, an event, a semaphore | stay: none of these tells of buffers | - |
//! | exports or shares the memory | never put off: only memory of this device alone is written by uploads | - |
//! | destroys the device | forgotten | ended, as everything of the device is by then |

use std::sync::Arc;

use ash::vk;
use hesper_winsys::Error;

use crate::base::progress::{Progress, Submission, Work};
use crate::base::shared::{Mutex, MutexGuard};
use crate::memory::pending::AnyPending;
use crate::submission::crossing::Crossing;
use crate::submission::mark::Mark;
use crate::submission::updates::{Staging, Updates};

/// A device's lock over the order of its submissions.
#[derive(Default)]
pub struct Order {
    /// Whether uploads may be waiting or sent; changed under the lock. Once announced, they are taken for pending until somebody looks for
    /// them in vain: an announcement may cost a system call, and where there was one upload there will be more.
    any_uploads: AnyPending,
    state: Mutex<State>,
}

/// What the lock covers.
#[derive(Default)]
pub struct State {
    queues: Vec<Numbers>,
    uploads: Uploads,
    /// A command buffer of the driver's own for each queue family that uploads have travelled on.
    pub carriers: Vec<(u32, vk::CommandBuffer)>,
    /// Memory for what copies would write, while it is found out whether they can be put off.
    pub staging: Staging,
    /// Orders uploads and submissions to other queues.
    pub crossing: Crossing,
    /// What is at work, or was last.
    work: Work,
}

/// The submissions to one queue.
struct Numbers {
    submitted: u64,
    progress: Arc<Progress>,
}

/// Uploads that the program was told are over.
#[derive(Default)]
pub enum Uploads {
    #[default]
    None,
    Waiting(Waiting),
    Sent(Sent),
}

/// Uploads whose data is kept here.
pub struct Waiting {
    /// The queue that the program submitted the first of them to. They may run on any other, too: buffers belong to all families at the host
    /// (`memory::sharing`).
    pub queue: vk::Queue,
    pub updates: Updates,
}

/// Uploads that were sent and aren't known to have been carried out.
pub struct Sent {
    pub queue: vk::Queue,
    /// Carries them.
    pub submission: Submission,
    /// The semaphore that the submission signals, if it does and nothing waits for it yet.
    pub signals: Option<vk::Semaphore>,
    /// Submissions to other queues that wait for them at the host: what is submitted there later is behind them, too, and each of these
    /// submissions ends after them.
    pub followers: Vec<(vk::Queue, Submission)>,
    /// Signalled after them, where somebody had to be able to wait.
    pub mark: Option<Arc<Mark>>,
    pub updates: Updates,
}

impl Order {
    /// Takes the lock.
    pub fn lock(&self) -> Locked<'_> {
        Locked { any_uploads: &self.any_uploads, state: self.state.lock() }
    }

    /// Whether uploads may be waiting or sent.
    pub fn any_uploads(&self) -> &AnyPending {
        &self.any_uploads
    }
}

/// The state, locked.
pub struct Locked<'a> {
    any_uploads: &'a AnyPending,
    pub state: MutexGuard<'a, State>,
}

impl Locked<'_> {
    /// Adds a queue of a new device; returns its place.
    pub fn add_queue(&mut self, progress: Arc<Progress>) -> usize {
        self.state.queues.push(Numbers { submitted: 0, progress });
        self.state.queues.len() - 1
    }

    /// Whether everything that was submitted to the device is known to have ended.
    pub fn has_all_ended(&mut self) -> bool {
        // Looked at first: followers tell of the end of uploads.
        let _ = self.uploads();
        self.state.queues.iter().all(|q| q.progress.reached(q.submitted))
    }

    /// A submission of such work is about to be sent; what is at work then.
    pub fn add_work(&mut self, work: Work) -> Work {
        if work == Work::Any || self.has_all_ended() {
            self.state.work = work;
        }
        self.state.work
    }

    /// What is at work, or was last: copies only where nothing else is.
    pub fn work(&self) -> Work {
        self.state.work
    }

    /// Sends the next submission to the queue at `place`. One that couldn't be sent has no number.
    ///
    /// # Errors
    /// Those of `send`.
    pub fn number<R>(
        &mut self,
        place: usize,
        send: impl FnOnce(&Submission) -> Result<R, Error>,
    ) -> Result<(Submission, R), Error> {
        let queue = self.state.queues.get_mut(place).ok_or(Error::OutOfHostMemory)?;
        let submission = Submission::new(&queue.progress, queue.submitted + 1);
        let sent = send(&submission)?;
        queue.submitted += 1;
        Ok((submission, sent))
    }

    /// The uploads. Those that are known to have ended are none.
    pub fn uploads(&mut self) -> &mut Uploads {
        if let Uploads::Sent(sent) = &self.state.uploads {
            if sent.followers.iter().any(|(_, s)| s.ended()) {
                sent.submission.end();
            }
            if sent.submission.ended() {
                self.set_uploads(Uploads::None);
            }
        }
        &mut self.state.uploads
    }

    /// Announces that an upload is about to be put off, to threads that map memory meanwhile; false where that can't be done.
    #[must_use]
    pub fn announce_uploads(&mut self) -> bool {
        self.any_uploads.announce()
    }

    /// Uploads pass to another state; to waiting only once they have been announced.
    pub fn set_uploads(&mut self, uploads: Uploads) {
        self.state.uploads = uploads;
    }

    /// Takes back the announcement if there are no uploads; whether there are none.
    pub fn withdraw_uploads(&mut self) -> bool {
        let none = matches!(self.uploads(), Uploads::None);
        if none {
            self.any_uploads.withdraw();
        }
        none
    }

    /// The uploads that were waiting have been sent to `queue`.
    pub fn uploads_sent(&mut self, queue: vk::Queue, submission: Submission, mark: Option<Arc<Mark>>) {
        match std::mem::take(&mut self.state.uploads) {
            Uploads::Waiting(waiting) => {
                let sent =
                    Sent { queue, submission, signals: None, followers: Vec::new(), mark, updates: waiting.updates };
                self.set_uploads(Uploads::Sent(sent));
            }
            other => self.state.uploads = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(queues: usize) -> (Order, Vec<Arc<Progress>>) {
        let order = Order::default();
        let all: Vec<Arc<Progress>> = (0..queues).map(|_| Arc::default()).collect();
        for p in &all {
            order.lock().add_queue(p.clone());
        }
        (order, all)
    }

    #[test]
    fn a_device_is_idle_once_every_submission_is_known_to_have_ended() {
        let (order, _) = order(2);
        let mut locked = order.lock();
        assert!(locked.has_all_ended());
        let (first, ()) = locked.number(0, |_| Ok(())).unwrap();
        let (second, ()) = locked.number(1, |_| Ok(())).unwrap();
        first.end();
        assert!(!locked.has_all_ended());
        second.end();
        assert!(locked.has_all_ended());
    }

    #[test]
    fn a_follower_tells_of_the_end_of_uploads() {
        let (order, all) = order(2);
        let mut locked = order.lock();
        locked.set_uploads(Uploads::Waiting(Waiting { queue: vk::Queue::null(), updates: Updates::default() }));
        let (uploads, ()) = locked.number(0, |_| Ok(())).unwrap();
        locked.uploads_sent(vk::Queue::null(), uploads, None);
        let (follower, ()) = locked.number(1, |_| Ok(())).unwrap();
        if let Uploads::Sent(sent) = locked.uploads() {
            sent.followers.push((vk::Queue::null(), follower.clone()));
        }
        assert!(!locked.has_all_ended() && !all[0].reached(1));
        follower.end();
        assert!(locked.has_all_ended() && all[0].reached(1) && matches!(locked.uploads(), Uploads::None));
    }

    #[test]
    fn copies_behind_other_work_are_no_copies_alone() {
        let (order, _) = order(2);
        let mut locked = order.lock();
        assert_eq!(locked.add_work(Work::Copies), Work::Copies);
        let (copies, ()) = locked.number(0, |_| Ok(())).unwrap();
        assert_eq!(locked.add_work(Work::Copies), Work::Copies, "more of them");
        assert_eq!(locked.add_work(Work::Any), Work::Any);
        let (other, ()) = locked.number(1, |_| Ok(())).unwrap();
        copies.end();
        assert_eq!((locked.add_work(Work::Copies), locked.work()), (Work::Any, Work::Any));
        other.end();
        assert_eq!((locked.work(), locked.add_work(Work::Copies)), (Work::Any, Work::Copies));
    }

    #[test]
    fn a_submission_that_could_not_be_sent_has_no_number() {
        let (order, _) = order(1);
        let mut locked = order.lock();
        assert!(locked.number(0, |_| Err::<(), _>(Error::OutOfHostMemory)).is_err());
        assert!(locked.has_all_ended());
        let (submission, ()) = locked.number(0, |_| Ok(())).unwrap();
        assert!(!locked.has_all_ended());
        submission.end();
        assert!(locked.has_all_ended());
    }

    #[test]
    fn uploads_end_with_the_submission_that_carries_them() {
        let (order, _) = order(1);
        let mut locked = order.lock();
        let waiting = Waiting { queue: vk::Queue::null(), updates: Updates::default() };
        assert!(locked.announce_uploads());
        locked.set_uploads(Uploads::Waiting(waiting));
        assert!(!locked.withdraw_uploads() && order.any_uploads().get());
        let (submission, ()) = locked.number(0, |_| Ok(())).unwrap();
        locked.uploads_sent(vk::Queue::null(), submission.clone(), None);
        assert!(matches!(locked.uploads(), Uploads::Sent(_)) && order.any_uploads().get());
        submission.end();
        assert!(order.any_uploads().get(), "nobody has looked");
        assert!(locked.withdraw_uploads() && !order.any_uploads().get());
    }
}

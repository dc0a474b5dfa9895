//! How far a queue has come: its submissions are numbered, and end in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::shared::AtomicU64;

/// How far a queue has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The number of the last submission that is known to have ended.
    ended: AtomicU64,
    /// The number of the last submission with other work than copies that begins as soon as those before it have ended, and of the last one that waits for something
    /// else. Relaxed: what is read of them is a guess at how much hurry there is.
    working: AtomicU64,
    waiting: AtomicU64,
    /// When the last submission that is known to have ended did so, in nanoseconds of the driver's clock, where somebody watched; else 0.
    seen_at: AtomicU64,
}

impl Progress {
    /// Whether the submission with this number is known to have ended.
    pub fn reached(&self, number: u64) -> bool {
        // Acquire: what the submission wrote is there for whoever finds it ended.
        self.ended.load(Ordering::Acquire) >= number
    }
}

/// One submission to a queue; the default is none, which has always ended.
#[derive(Clone, Debug, Default)]
pub struct Submission(Option<(Arc<Progress>, u64)>);

impl Submission {
    /// The submission with this number to the queue whose progress this is. Numbers count from 1.
    pub fn new(progress: &Arc<Progress>, number: u64) -> Self {
        Self(Some((progress.clone(), number)))
    }

    /// Whether it is known to have ended.
    pub fn ended(&self) -> bool {
        self.0.as_ref().is_none_or(|(progress, number)| progress.reached(*number))
    }

    /// Notes that it has ended, and with it all before: a fence is signalled after everything submitted earlier to its queue
    /// (Vulkan specification, "Implicit Synchronization Guarantees").
    pub fn end(&self) {
        self.end_at(0);
    }

    /// The same; somebody who watched saw it end at this time, or nobody did (0).
    pub fn end_at(&self, time: u64) {
        if let Some((progress, number)) = &self.0
            // Release, after the answer that told of the end; in one step, since threads may hear of several ends at once.
            && progress.ended.fetch_max(*number, Ordering::AcqRel) < *number
        {
            // Release: whoever finds the time finds the number as well.
            progress.seen_at.store(time, Ordering::Release);
        }
    }

    /// When what stands in front of it was seen to end, if it isn't known to have ended itself; 0 where nobody saw that. Two threads that see two ends at once may leave
    /// the older time: a guess, for forecasts.
    pub fn front_seen_at(&self) -> u64 {
        let Some((progress, number)) = &self.0 else { return 0 };
        let seen = progress.seen_at.load(Ordering::Acquire);
        if progress.reached(*number) { 0 } else { seen }
    }

    /// Notes that it has work for the device other than copies, which begins as soon as all before it has ended.
    pub fn note_work(&self) {
        if let Some((progress, number)) = &self.0 {
            progress.working.fetch_max(*number, Ordering::Relaxed);
        }
    }

    /// Notes that it may wait for the program, or for another queue.
    pub fn note_wait(&self) {
        if let Some((progress, number)) = &self.0 {
            progress.waiting.fetch_max(*number, Ordering::Relaxed);
        }
    }

    /// Whether the device has work to go on with when the submission has ended: such was submitted to the same queue behind it, and nothing behind it waits.
    pub fn is_followed(&self) -> bool {
        self.0.as_ref().is_some_and(|(progress, number)| {
            progress.working.load(Ordering::Relaxed) > *number && progress.waiting.load(Ordering::Relaxed) <= *number
        })
    }

    /// Whether both went to the same queue.
    pub fn same_queue(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some((a, _)), Some((b, _))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What a fence guards: work of either kind takes as long as such work did before, and not as the other does. llama.cpp waits with one fence for the copies that a
/// prompt begins with, and for the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Copies between buffers alone.
    Copies,
    #[default]
    Any,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_behind_it_follows_a_submission() {
        let progress = Arc::new(Progress::default());
        let [first, second, third] = [1, 2, 3].map(|number| Submission::new(&progress, number));
        let followed = || [&first, &second, &third].map(Submission::is_followed);
        assert_eq!(followed(), [false; 3], "what was submitted has no work");
        second.note_work();
        first.note_work();
        assert_eq!(followed(), [true, false, false]);
        third.note_wait();
        assert_eq!(followed(), [false; 3], "what waits may stand in front of the work");
        Submission::new(&progress, 4).note_work();
        assert_eq!(followed(), [false, false, true]);
        Submission::default().note_work();
        assert!(!Submission::default().is_followed());
    }

    #[test]
    fn the_end_of_what_stands_in_front_is_seen_once() {
        let progress = Arc::new(Progress::default());
        let [first, second, third] = [1, 2, 3].map(|number| Submission::new(&progress, number));
        assert_eq!(third.front_seen_at(), 0);
        second.end_at(70);
        assert_eq!([&first, &second, &third].map(Submission::front_seen_at), [0, 0, 70]);
        // Whoever looks later learns nothing new.
        first.end_at(80);
        second.end_at(90);
        second.end();
        assert_eq!(third.front_seen_at(), 70);
        let fourth = Submission::new(&progress, 4);
        third.end();
        assert_eq!(fourth.front_seen_at(), 0, "nobody watched");
        assert_eq!(Submission::default().front_seen_at(), 0);
    }

    #[test]
    fn what_ended_ends_all_before() {
        let (one, other) = (Arc::new(Progress::default()), Arc::new(Progress::default()));
        let of = |progress, number| Submission::new(progress, number);
        assert!(Submission::default().ended() && !of(&one, 1).ended());
        of(&one, 2).end();
        of(&one, 1).end();
        assert!(of(&one, 1).ended() && of(&one, 2).ended() && !of(&one, 3).ended() && !of(&other, 1).ended());
        assert!(of(&one, 1).same_queue(&of(&one, 9)) && !of(&one, 1).same_queue(&of(&other, 1)));
        assert!(!Submission::default().same_queue(&Submission::default()));
    }
}

//! How far a queue has come: its submissions are numbered, and end in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::shared::AtomicU64;

/// The number of the last submission to a queue that is known to have ended.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// Whether the submission with this number is known to have ended.
    pub fn reached(&self, number: u64) -> bool {
        // Acquire: what the submission wrote is there for whoever finds it ended.
        self.0.load(Ordering::Acquire) >= number
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
        if let Some((progress, number)) = &self.0 {
            // Release, after the answer that told of the end; in one step, since threads may hear of several ends at once.
            progress.0.fetch_max(*number, Ordering::AcqRel);
        }
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

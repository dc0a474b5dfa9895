//! The recordings in progress, and what waits for their ends.
//!
//! The invariant: a recording that has begun and neither ended nor been dropped may hold commands that the host hasn't read, and those
//! name objects that were alive when they were recorded. So an object that programs destroy while they record (`late` in
//! encoder/protocol/commands.tsv) is destroyed at the host only when none of the recordings is in progress any more that were when the
//! program destroyed it. Recordings that begin later can't name the object, and aren't waited for: what waits is bounded by the ends of
//! recordings that have begun, and by the end of the device.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use hesper_encoder::Writer;

use crate::base::shared::{AtomicUsize, Mutex};

/// The recordings in progress of a device, and the ends of objects that wait for them.
pub type Recordings = InProgress<Box<dyn Fn(&mut Writer) + Send>>;

/// The recordings in progress, and values of type `T` that wait for ends.
pub struct InProgress<T> {
    state: Mutex<State<T>>,
    /// How many recordings are in progress. A thread that destroys an object synchronises with those that have begun to record it, and so sees
    /// a number that counts their recordings, or a later one.
    count: AtomicUsize,
}

struct State<T> {
    /// The number of the last recording that has begun.
    last: u64,
    /// Numbers of the recordings in progress, ascending. They mostly end at one of both ends, where taking one out moves no others.
    numbers: VecDeque<u64>,
    /// What waits until no recording with this number or a lower one is in progress; the numbers ascend.
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for InProgress<T> {
    fn default() -> Self {
        let state = State { last: 0, numbers: VecDeque::new(), waiting: VecDeque::new() };
        Self { state: Mutex::new(state), count: AtomicUsize::new(0) }
    }
}

impl<T> InProgress<T> {
    /// A recording begins; its number.
    pub fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        state.numbers.push_back(number);
        self.count.store(state.numbers.len(), Ordering::Relaxed);
        number
    }

    /// A recording has ended, and all its commands have been sent or dropped; with what waited for this end and no other.
    pub fn end(&self, number: u64) -> Vec<T> {
        let mut state = self.state.lock();
        if let Ok(at) = state.numbers.binary_search(&number) {
            state.numbers.remove(at);
            self.count.store(state.numbers.len(), Ordering::Relaxed);
        }
        let oldest = state.numbers.front().copied().unwrap_or(u64::MAX);
        let over = state.waiting.iter().take_while(|(number, _)| *number < oldest).count();
        state.waiting.drain(..over).map(|(_, value)| value).collect()
    }

    /// Whether no recording is in progress.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Has a value wait for the recordings in progress; given back where there are none.
    ///
    /// No lock is held between this and what the caller does with a value that is given back, and none is needed: the program keeps recordings that name
    /// the object from beginning meanwhile.
    pub fn wait(&self, value: T) -> Option<T> {
        let mut state = self.state.lock();
        if state.numbers.is_empty() {
            return Some(value);
        }
        let last = state.last;
        state.waiting.push_back((last, value));
        None
    }

    /// Everything that still waits, when no recording matters any more.
    pub fn close(&self) -> Vec<T> {
        std::mem::take(&mut self.state.lock().waiting).into_iter().map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_waits_for_the_recordings_before_it_alone() {
        let recordings = InProgress::default();
        assert_eq!(recordings.wait("at once"), Some("at once"));
        let (a, b) = (recordings.begin(), recordings.begin());
        assert_eq!(recordings.wait("a and b"), None);
        let c = recordings.begin();
        assert_eq!(recordings.wait("a, b and c"), None);
        assert!(recordings.end(b).is_empty(), "a is in progress");
        let d = recordings.begin();
        assert_eq!(recordings.end(a), ["a and b"]);
        assert!(recordings.end(d).is_empty(), "c is in progress");
        assert!(recordings.end(d).is_empty(), "an end that is told of twice");
        assert_eq!(recordings.end(c), ["a, b and c"]);
        assert!(recordings.is_empty());
    }

    /// Threads that always have some recording in progress among them.
    #[test]
    fn recordings_that_overlap_hold_nothing_up() {
        let recordings = InProgress::default();
        let mut current = recordings.begin();
        for i in 0..1000 {
            assert_eq!(recordings.wait(i), None);
            let next = recordings.begin();
            assert_eq!(recordings.end(current), [i]);
            current = next;
        }
    }

    #[test]
    fn the_device_s_end_leaves_nothing_behind() {
        let recordings = InProgress::default();
        recordings.begin();
        assert_eq!(recordings.wait(7), None);
        assert_eq!(recordings.close(), [7]);
        assert!(recordings.close().is_empty());
    }
}

//! Threads of the driver's own that may outlast the call which started them. A fork waits for them, for a while: its child would have every
//! lock as they held it at that moment, and nobody in it would give them back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a fork waits for such threads, at most: one that waits for a host which has stopped may end late or never.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(1);

static RUNNING: Running = Running::none();

/// How many such threads there are.
struct Running(AtomicU32);

impl Running {
    const fn none() -> Self {
        Self(AtomicU32::new(0))
    }

    fn count(&'static self) -> OwnThread {
        // Relaxed: whoever starts the thread forks later than this, if at all, and other threads don't know of it.
        self.0.fetch_add(1, Ordering::Relaxed);
        OwnThread(self)
    }

    /// Returns when there are none, or `patience` is over; those that are left then aren't waited for again.
    fn wait(&self, patience: Duration) {
        let start = Instant::now();
        // Acquire: what the threads gave back is given back for who forks.
        while self.0.load(Ordering::Acquire) > 0 {
            if start.elapsed() >= patience {
                return self.forget();
            }
            thread::sleep(LOOK);
        }
    }

    fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Such a thread, which ends when this is dropped.
pub struct OwnThread(&'static Running);

impl Drop for OwnThread {
    fn drop(&mut self) {
        // Release: after all that the thread did. A thread that isn't waited for any more has no part in the count.
        let _ = self.0.0.fetch_update(Ordering::Release, Ordering::Relaxed, |n| n.checked_sub(1));
    }
}

/// A thread that is about to be started.
pub fn count() -> OwnThread {
    RUNNING.count()
}

/// Before a fork.
pub fn wait() {
    RUNNING.wait(PATIENCE);
}

/// In a fork's child, which has none of them.
pub fn forget() {
    RUNNING.forget();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_waits_for_a_thread_to_end() {
        static SOME: Running = Running::none();
        SOME.wait(Duration::ZERO);
        let counted = SOME.count();
        let start = Instant::now();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(counted);
        });
        SOME.wait(Duration::from_secs(60));
        assert!(start.elapsed() >= Duration::from_millis(50));
        thread.join().unwrap();
    }

    #[test]
    fn one_that_hangs_is_waited_for_once() {
        static SOME: Running = Running::none();
        let hangs = SOME.count();
        let start = Instant::now();
        SOME.wait(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        let second = Instant::now();
        SOME.wait(Duration::from_secs(60));
        assert!(second.elapsed() < Duration::from_secs(30));
        drop(hangs);
        assert_eq!(SOME.0.load(Ordering::Relaxed), 0);
    }
}

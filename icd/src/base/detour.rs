//! What keeps entry points from their straight way: a trace that is written, or a fork.
//!
//! The child of a fork has its parent's connections: the same socket or device file, the same shared memory, and locks as other threads
//! of the parent held them at that moment. Whatever the child sent would end the parent's context. So its calls with handles of the parent's
//! return before they touch anything; what the child creates itself is its own.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::base::own_threads;

static ANY: AtomicBool = AtomicBool::new(false);
/// How often this process, and those that it was forked from, have been a fork's child.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Whether there is any reason to look further. One load of a word that hardly ever changes.
#[inline(always)]
pub fn any() -> bool {
    ANY.load(Ordering::Relaxed)
}

/// A trace is written from now on.
pub fn note_trace() {
    ANY.store(true, Ordering::Relaxed);
}

/// Which process this is in a line of forks.
pub fn generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Has forks be noticed.
pub fn watch_forks() {
    extern "C" fn before() {
        own_threads::wait();
    }
    extern "C" fn child() {
        own_threads::forget();
        FORKS.fetch_add(1, Ordering::Relaxed);
        ANY.store(true, Ordering::Relaxed);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the child's handler only changes words, which is allowed between fork and exec; the one before the fork looks at a word and
        // sleeps. The C library forgets them when this library is unloaded. Where there is no memory for them, forks go unnoticed.
        let _ = unsafe { libc::pthread_atfork(Some(before), None, Some(child)) };
    });
}

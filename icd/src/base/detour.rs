//! What keeps entry points from their straight way: a trace that is written, or a fork.
//!
//! The child of a fork has its parent's connections: the same socket or device file, the same shared memory, and locks as other threads
//! of the parent held them at that moment. Whatever the child sent would end the parent's context. So its calls with handles of the parent's
//! return before they touch anything; what the child creates itself is its own.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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
    extern "C" fn child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        ANY.store(true, Ordering::Relaxed);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only changes two words, which is allowed between fork and exec. The C library forgets it when this library
        // is unloaded. Where there is no memory for it, forks go unnoticed.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(child)) };
    });
}

//! Which threads record: where several do, one thread's compiling would hold up the others (`compiling`).

use std::sync::atomic::{AtomicU64, Ordering};

/// The threads that record for a device: none, one, or several.
#[derive(Default)]
pub struct Recorders(AtomicU64);

const SEVERAL: u64 = u64::MAX;

/// A number of the calling thread, not 0.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static THIS: u64 = NEXT.fetch_add(1, Ordering::Relaxed));
    // A thread that is ending counts as another one.
    THIS.try_with(|t| *t).unwrap_or(SEVERAL)
}

impl Recorders {
    /// The calling thread makes a command pool.
    pub fn note(&self) {
        let this = this_thread();
        let note = |known| if known == 0 || known == this { Some(this) } else { Some(SEVERAL) };
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, note);
    }

    /// Has every creation wait, as if several threads recorded.
    pub fn wait_always(&self) {
        self.0.store(SEVERAL, Ordering::Relaxed);
    }

    /// Whether the calling thread is the only one.
    pub fn only_this(&self) -> bool {
        let known = self.0.load(Ordering::Relaxed);
        known != SEVERAL && known == this_thread()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recording_thread_is_told_from_several() {
        let r = Recorders::default();
        assert!(!r.only_this(), "nobody records yet");
        r.note();
        r.note();
        assert!(r.only_this());
        std::thread::scope(|s| {
            s.spawn(|| assert!(!r.only_this(), "another thread"));
        });
        std::thread::scope(|s| {
            s.spawn(|| r.note());
        });
        assert!(!r.only_this(), "two record");
    }
}

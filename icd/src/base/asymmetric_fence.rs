//! A full memory fence whose price one of two sides pays.
//!
//! Two threads each write one word and then read the other's. With a full fence in between on both sides at least one of them sees what the
//! other wrote. Where one side is taken all the time and the other seldom, membarrier(2) lets the seldom one pay for both: it has every running
//! thread of the process pass a full fence, so that the other side needs none but the compiler's. Where the kernel has no such call, or a
//! sandbox forbids it, both sides take a fence of their own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

/// Commands of membarrier(2) (linux/membarrier.h).
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

/// Whether the seldom side pays for both; false until it was found out.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

fn membarrier(command: libc::c_int) -> bool {
    // Miri has no such call.
    if cfg!(miri) {
        return false;
    }
    // SAFETY: the call takes no pointers, and has no effect but that of a fence.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// The fence of the side that is taken all the time.
#[inline]
pub fn light() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The fence of the side that is taken seldom; false where the kernel had no memory for it, and nothing is known of the other side.
#[must_use]
pub fn heavy() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    if !*REGISTERED.get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED)) {
        // `light` never hears of an asymmetric fence.
        fence(Ordering::SeqCst);
        return true;
    }
    let passed = membarrier(PRIVATE_EXPEDITED);
    if passed {
        // A thread in `light` that doesn't know yet takes a fence too many.
        ASYMMETRIC.store(true, Ordering::Relaxed);
    }
    passed
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Dekker's question: never do both sides miss the other's word.
    #[test]
    fn one_of_two_sides_sees_the_other() {
        let (words, start) = ([AtomicU32::new(0), AtomicU32::new(0)], Barrier::new(2));
        let both_missed = AtomicU32::new(0);
        std::thread::scope(|s| {
            let side = |mine: usize, fence: fn() -> bool| {
                let (words, start, both_missed) = (&words, &start, &both_missed);
                move || {
                    for round in 1..=3000 {
                        start.wait();
                        words[mine].store(round, Ordering::Relaxed);
                        assert!(fence());
                        let missed = words[1 - mine].load(Ordering::Relaxed) != round;
                        both_missed.fetch_add(u32::from(missed), Ordering::SeqCst);
                        start.wait();
                        if mine == 0 {
                            assert!(both_missed.swap(0, Ordering::SeqCst) < 2, "round {round}");
                        }
                        start.wait();
                    }
                }
            };
            s.spawn(side(0, heavy));
            s.spawn(side(1, || {
                light();
                true
            }));
        });
    }
}
